// The dashboard renews itself: the server makes the part anew, and what somebody has unfolded stays unfolded.
import { english, words } from "./console.js";

const EVERY_MS = 5000;
const live = document.getElementById("live");
const fresh = document.getElementById("fresh");

async function renew() {
  if (document.hidden || live.contains(document.activeElement) || document.querySelector("dialog[open]")) return;
  try {
    const reply = await fetch(`/ops/live?lang=${english ? "en" : "zh"}`, { headers: { Accept: "text/html" } });
    if (reply.redirected) return location.reload(); // the session is over: the way in, and back here
    if (!reply.ok) throw new Error(reply.statusText);
    const open = [...live.querySelectorAll("details[open]")].length > 0;
    live.innerHTML = await reply.text();
    if (open) for (const one of live.querySelectorAll("details")) one.open = true;
    fresh.textContent = words("更新于 ", "As of ") + new Date().toLocaleTimeString();
    fresh.classList.remove("bad");
  } catch {
    fresh.textContent = words("连不上服务,显示的是稍早的数字。", "The service cannot be reached; these figures are older.");
    fresh.classList.add("bad");
  }
}
setInterval(renew, EVERY_MS);
document.addEventListener("visibilitychange", renew);
