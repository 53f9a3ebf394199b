// What every page shares: calls with the page's token, problems in words, signing out.
export const english = document.documentElement.lang.startsWith("en");
export const words = (zh, en) => (english ? en : zh);
const csrf = document.querySelector('meta[name="csrf"]');
const login = document.querySelector('meta[name="login"]')?.content ?? "";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || String(status));
    this.status = status;
    this.code = problem.code;
    this.field = problem.field;
  }
}

// An answer, or a Refused. Who was signed out meanwhile signs in again and the call goes on: nothing typed is lost.
// `key` is the Idempotency-Key of a call that must happen once however often it is sent.
export async function call(method, path, body, { key } = {}) {
  let renewed = false;
  for (;;) {
    try {
      return await send(method, path, body, key);
    } catch (error) {
      if (error.code === "unauthenticated" && login) await signInAgain();
      else if (error.code === "csrf_missing" && !renewed) {
        renewed = true;
        csrf.content = (await send("GET", "/session")).csrf;
      } else throw error;
    }
  }
}

async function send(method, path, body, key) {
  const headers = { "X-CSRF-Token": csrf?.content ?? "", "Accept-Language": english ? "en" : "zh" };
  if (key) headers["Idempotency-Key"] = key;
  const options = { method, headers };
  if (body instanceof FormData || body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Refused(0, { detail: words("连不上服务,请检查网络后重试。", "The service cannot be reached; check the network and try again.") });
  }
  const data = reply.status === 204 ? {} : await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Refused(reply.status, data);
  return data;
}

// One dialog, however many calls wait for it.
let signingIn = null;
function signInAgain() {
  signingIn ??= signInDialog().finally(() => (signingIn = null));
  return signingIn;
}

function signInDialog() {
  return new Promise((resolve, reject) => {
    const field = (name, label, attributes) => element("label", {}, label, element("input", { name, ...attributes }));
    const problem = element("p", { class: "error", role: "alert" });
    const code = field("code", words("动态验证码(如已启用)", "Authenticator code (where set up)"), { inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6" });
    const form = element("form", { onsubmit: async (event) => {
      event.preventDefault();
      problem.textContent = "";
      try {
        csrf.content = (await send("POST", "/sign-in", Object.fromEntries(new FormData(form)))).csrf;
        dialog.close("in");
      } catch (error) {
        problem.textContent = error.message;
      }
    } },
      element("h2", { id: "again-title", text: words("登录已过期", "Your session has ended") }),
      element("p", { class: "soft", text: words("重新登录后,刚才的操作会继续,填好的内容还在。", "Sign in again and what you were doing goes on; all you typed is still there.") }),
      field("login", words("账号", "Login"), { value: login, readonly: true, autocomplete: "username" }),
      field("password", words("密码", "Password"), { type: "password", required: true, autofocus: true, autocomplete: "current-password" }),
      code, problem,
      element("button", { class: "main", text: words("登录并继续", "Sign in and go on") }),
      element("button", { type: "button", class: "plain", text: words("稍后", "Later"), onclick: () => dialog.close() }));
    const dialog = element("dialog", { id: "sign-in-again", "aria-labelledby": "again-title", onclose: () => {
      dialog.remove();
      if (dialog.returnValue === "in") resolve();
      else reject(new Refused(401, { code: "signed_out", detail: words("您已退出登录,内容还在;请重新登录后再提交。", "You are signed out; what you typed is still here. Sign in, then send it again.") }));
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A question in the page: true or false; with `reason`, the words that were typed, or null.
export function ask(question, { reason = false } = {}) {
  return new Promise((resolve) => {
    const typed = reason ? element("textarea", { name: "reason", required: true, minlength: "4", maxlength: "500", rows: "2", "aria-labelledby": "ask-title" }) : null;
    const form = element("form", { onsubmit: (event) => {
      event.preventDefault();
      dialog.close("yes");
    } },
      element("h2", { id: "ask-title", text: question }), typed,
      element("div", { class: "ends" },
        element("button", { class: "main", text: words("确定", "Yes, go on") }),
        element("button", { type: "button", text: words("取消", "Cancel"), onclick: () => dialog.close() })));
    const dialog = element("dialog", { "aria-labelledby": "ask-title", onclose: () => {
      dialog.remove();
      const yes = dialog.returnValue === "yes";
      resolve(reason ? (yes ? typed.value.trim() : null) : yes);
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function say(error) {
  const place = document.getElementById("problem");
  if (place) place.textContent = error ? error.message : "";
}

document.getElementById("sign-out")?.addEventListener("click", async () => {
  await call("POST", "/sign-out", {}).catch(() => {});
  location.href = "/sign-in";
});

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const yuan = (fen) => `¥${(fen / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
export const fen = (text) => (text.trim() === "" ? null : Math.round(Number(text) * 100));
// Days as people say them: minutes, hours, days.
export const span = (days) => {
  const [count, zh, en] = days < 1 / 24 ? [Math.max(1, days * 1440), "分钟", "min"] : days < 2 ? [days * 24, "小时", "h"] : [days, "天", "days"];
  return `${count < 10 && zh === "天" ? count.toFixed(1) : Math.ceil(count)} ${words(zh, en)}`;
};
export const percent = (p) => (p > 0.995 ? ">99%" : p < 0.005 ? "<1%" : `${Math.round(100 * p)}%`);

// The field that a refusal names is marked, and gets the focus, so that whoever cannot see the colour finds it, too.
export function mark(form, error) {
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  if (!error?.field) return;
  const name = error.field;
  const field = form.querySelector(`[name="${CSS.escape(name)}"]`) ?? form.querySelector(`[name$="${CSS.escape(name.split(".").pop())}"]`);
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", "problem");
  field.focus();
}

// Weights as people write them: "S=2 M=5 L=3", also with full-width signs and commas.
export function weights(text) {
  const found = {};
  for (const part of text.split(/[\s,，;；]+/).filter(Boolean)) {
    const [name, value] = part.split(/[=＝:：]/);
    const number = Number(value);
    if (!name || !(number >= 0) || value === undefined || value === "")
      throw new Error(words(`写成 S=2 M=5 L=3 这样(名称=数字);“${part}”看不懂。`, `Write names and numbers like S=2 M=5 L=3; "${part}" is unclear.`));
    found[name] = number;
  }
  return found;
}

// The same page in the other language, wherever it is.
const language = document.getElementById("language");
if (language) {
  const target = new URL(location.href);
  target.searchParams.set("lang", english ? "zh" : "en");
  language.href = target.pathname + target.search;
}
if (new URLSearchParams(location.search).get("lang"))
  for (const link of document.querySelectorAll('a[href^="/"]:not([href^="/v1"]):not(#language)')) {
    const target = new URL(link.href);
    target.searchParams.set("lang", english ? "en" : "zh");
    link.href = target.pathname + target.search;
  }
export const here = (path) => (new URLSearchParams(location.search).get("lang") ? `${path}?lang=${english ? "en" : "zh"}` : path);

// Moments in the reader's own time.
export const local = (moment) => new Date(moment).toLocaleString(english ? "en-GB" : "zh-CN", { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" });
for (const time of document.querySelectorAll("time[data-local]")) time.textContent = local(time.dateTime);
