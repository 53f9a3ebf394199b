// Forms of the operators' pages: sent as JSON, nothing typed is lost, problems in words; dialogs, and values behind a reason.
import { ask, call, element, mark, words } from "./console.js";

const AS = {
  int: (text) => Number.parseInt(text.replace(/[\s,，]/g, ""), 10),
  fen: (text) => Math.round(Number(text.replace(/[¥￥\s,，]/g, "")) * 100),
  list: (text) => text.split(/[\s,，;；]+/).filter(Boolean),
  json: (text) => JSON.parse(text),
  time: (text) => new Date(text).toISOString(),
  text: (text) => text,
};

class Unclear extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

function put(target, path, value) {
  const parts = path.split(".");
  const last = parts.pop();
  for (const part of parts) target = target[part] ??= {};
  target[last] = value;
}

// What a form says, as the JSON that its call asks for.
export function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "submit") continue;
    const as = field.dataset.as ?? "text";
    if (as === "bool") put(body, field.name, field.checked);
    else if (as === "set") put(body, field.name, [...form.querySelectorAll(`[name="${CSS.escape(field.name)}"]:checked`)].map((one) => one.value));
    else if (field.multiple) put(body, field.name, [...field.selectedOptions].map((one) => one.value));
    else if ((field.type === "checkbox" || field.type === "radio") && !field.checked) continue;
    else if (field.value.trim() === "") {
      if ("null" in field.dataset) put(body, field.name, null);
      if ("empty" in field.dataset) put(body, field.name, as === "list" ? [] : "");
    } else {
      let value;
      try {
        value = AS[as](field.value.trim());
      } catch {
        value = NaN;
      }
      if (Number.isNaN(value)) throw new Unclear(field.name, words(`“${field.value}”看不懂。`, `"${field.value}" is unclear.`));
      put(body, field.name, value);
    }
  }
  return body;
}

const SAID = "xk-said";
function said(text) {
  const place = document.getElementById("said");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}
const kept = sessionStorage.getItem(SAID);
if (kept) {
  sessionStorage.removeItem(SAID);
  said(kept);
}

export async function submit(form) {
  const place = form.querySelector(".error");
  const buttons = [...form.querySelectorAll("button")];
  place.textContent = "";
  mark(form, null);
  // One key a filled-in form: sending the same again, after a lost connection or a new sign-in, happens once.
  form.dataset.key ??= crypto.randomUUID();
  try {
    const body = bodyOf(form);
    if (form.dataset.confirm && !(await ask(form.dataset.confirm))) return;
    for (const button of buttons) button.disabled = true;
    const path = form.dataset.path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(body[name] ?? ""));
    const sends = form.dataset.method !== "DELETE" || Object.keys(body).length > 0;
    const reply = await call(form.dataset.method, path, sends ? body : undefined, { key: form.dataset.key });
    delete form.dataset.key;
    if (!form.dispatchEvent(new CustomEvent("sent", { detail: reply, bubbles: true, cancelable: true }))) return;
    if (form.dataset.download) save(form.dataset.download, reply);
    if (form.dataset.shows) return showOnce(form, reply[form.dataset.shows]);
    form.closest("dialog")?.close();
    const done = form.dataset.done;
    if (done === "stay") {
      said(form.dataset.said);
      return;
    }
    sessionStorage.setItem(SAID, form.dataset.said);
    if (done === "reload") location.reload();
    else location.href = done.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(reply[name] ?? ""));
  } catch (error) {
    if (error.status) delete form.dataset.key; // refused: nothing has happened, and what is changed now is another call
    place.textContent = error.message;
    mark(form, error);
    if (!error.field) place.scrollIntoView({ block: "nearest" });
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function save(name, value) {
  const link = element("a", { href: URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// What is shown this once stays until its reader says that it is kept.
function showOnce(form, secret) {
  const kept = element("button", { type: "button", class: "main", text: words("我已保存,继续", "I have kept it; go on"), onclick: () => location.reload() });
  form.replaceChildren(
    element("p", { text: words("只显示这一次,请马上保存:", "Shown this once; keep it now:") }),
    element("p", { class: "secret", role: "status", text: secret }),
    kept);
  form.parentElement.querySelector("[data-close]")?.remove();
  form.closest("dialog")?.addEventListener("cancel", (event) => event.preventDefault());
  kept.focus();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.send")) return;
  event.preventDefault();
  submit(event.target);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog").close();
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) show(reveal);
});

document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-all]");
  if (all) for (const one of all.form.querySelectorAll(`[name="${CSS.escape(all.dataset.all)}"]`)) one.checked = all.checked;
});

async function show(button) {
  const reason = await ask(words("为什么要查看?(会写进审计记录)", "Why do you look? (Kept in the audit log.)"), { reason: true });
  if (!reason) return;
  try {
    const told = await call("POST", button.dataset.reveal, { reason });
    for (const other of document.querySelectorAll(`[data-reveal="${CSS.escape(button.dataset.reveal)}"]`)) {
      const value = told[other.dataset.field];
      other.previousElementSibling.textContent = plain(value);
      other.remove();
    }
  } catch (error) {
    said(error.message);
  }
}

function plain(value) {
  if (value === null || value === undefined || value === "" || value.length === 0) return "—";
  if (Array.isArray(value)) return value.map(plain).join(", ");
  return typeof value === "object" ? Object.values(value).map(plain).join(" ") : String(value);
}

// On a phone a row is a card: each value beside the name of its column.
for (const table of document.querySelectorAll("table.stack")) {
  const names = [...table.querySelectorAll("thead tr > *")].map((one) => one.textContent);
  for (const row of table.querySelectorAll("tbody tr")) [...row.children].forEach((cell, index) => cell.setAttribute("data-label", names[index] ?? ""));
}
document.querySelector('.sections [aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });

