// What every page shares: calls with the page's token, problems in words, signing out.
export const english = document.documentElement.lang.startsWith("en");
export const words = (zh, en) => (english ? en : zh);
const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || String(status));
    this.status = status;
    this.code = problem.code;
    this.field = problem.field;
  }
}

export async function call(method, path, body) {
  const headers = { "X-CSRF-Token": csrf, "Accept-Language": english ? "en" : "zh" };
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
      throw new Error(words(`尺码写成 S=2 M=5 L=3 这样;“${part}”看不懂。`, `Write sizes like S=2 M=5 L=3; "${part}" is unclear.`));
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
