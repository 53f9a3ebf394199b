import { call, element, say, words } from "./console.js";

const keys = document.getElementById("keys");
const hooks = document.getElementById("webhooks");
const sure = (text) => confirm(text);

async function showKeys() {
  const found = await call("GET", "/v1/merchant/keys");
  keys.replaceChildren(...found.keys.map((key) =>
    element("li", {},
      element("span", {}, element("b", { text: key.name }), ` · ${key.scopes.includes("write") ? words("读写", "read and write") : words("只读", "read")} · ${key.created_at.slice(0, 10)}`),
      key.revoked_at
        ? element("span", { class: "soft", text: words("已作废", "Revoked") })
        : key.expires_at
        ? element("span", { class: "soft", text: words(`已轮换,有效到 ${key.expires_at.slice(0, 16).replace("T", " ")} UTC`, `Rotated; opens things until ${key.expires_at.slice(0, 16).replace("T", " ")} UTC`) })
        : element("span", { class: "chips" }, element("button", { type: "button", text: words("轮换", "Rotate"), "aria-label": `${words("轮换", "Rotate")} ${key.name}`, onclick: async () => {
            if (!sure(words("会得到一个新密钥;旧密钥 24 小时内仍然有效。", "You get a new key; the old one still works for 24 hours. Rotate it?"))) return;
            try {
              showKey((await call("POST", `/v1/merchant/keys/${key.key_id}/rotate`, { grace_hours: 24 })).key);
            } catch (error) {
              say(error);
            }
          } }), element("button", { type: "button", class: "danger", text: words("作废", "Revoke"), "aria-label": `${words("作废", "Revoke")} ${key.name}`, onclick: async () => {
            if (!sure(words("作废后,用它的程序会立刻失效。", "Programs that use it stop working at once. Revoke it?"))) return;
            await call("DELETE", `/v1/merchant/keys/${key.key_id}`).catch(say);
            showKeys();
          } })))));
}

function showKey(key) {
  const shown = document.getElementById("made-key");
  shown.hidden = false;
  shown.textContent = key;
  showKeys();
}

const STATES = { waiting: words("等待重试", "waiting"), delivered: words("已送达", "delivered"), dead: words("已放弃", "given up") };
async function showHooks() {
  const found = await call("GET", "/v1/merchant/webhooks");
  hooks.replaceChildren(...(await Promise.all(found.webhooks.map(async (hook) => {
    const sent = await call("GET", `/v1/merchant/webhooks/${hook.webhook_id}/deliveries?limit=10`);
    return element("li", { class: "hook" },
      element("div", {}, element("b", { text: hook.url }), element("button", { type: "button", class: "danger", text: words("删除", "Remove"), "aria-label": `${words("删除", "Remove")} ${hook.url}`, onclick: async () => {
        await call("DELETE", `/v1/merchant/webhooks/${hook.webhook_id}`).catch(say);
        showHooks();
      } })),
      element("ul", { class: "soft" }, ...sent.deliveries.map((one) =>
        element("li", {}, `${one.created_at.slice(5, 16).replace("T", " ")} ${one.event} · ${STATES[one.state]}${one.last_error ? ` · ${one.last_error}` : ""} `,
          one.state === "dead" ? element("button", { type: "button", class: "plain", text: words("再送一次", "Send again"), onclick: async () => {
            await call("POST", `/v1/merchant/webhooks/${hook.webhook_id}/deliveries/${one.delivery_id}/again`).catch(say);
            showHooks();
          } }) : null))));
  }))));
}

document.getElementById("new-key").addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  const form = event.target;
  try {
    const made = await call("POST", "/v1/merchant/keys", { name: form.elements.name.value, scopes: form.elements.scope.value === "write" ? ["read", "write"] : ["read"] });
    form.reset();
    showKey(made.key);
  } catch (error) {
    say(error);
  }
});
document.getElementById("new-webhook").addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  try {
    const made = await call("POST", "/v1/merchant/webhooks", { url: event.target.elements.url.value });
    const shown = document.getElementById("made-webhook");
    shown.hidden = false;
    shown.textContent = words(`签名密钥(只显示这一次):${made.secret}`, `Signing secret (shown this once): ${made.secret}`);
    event.target.reset();
    showHooks();
  } catch (error) {
    say(error);
  }
});
showKeys().catch(say);
showHooks().catch(say);
