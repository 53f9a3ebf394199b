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
  if (body instanceof FormData) options.body = body;
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
