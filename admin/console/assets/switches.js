// What a switch would touch is counted when its dialog opens, and again while an id is typed.
import { call, element, english } from "./console.js";

async function show(place, query) {
  try {
    const told = await call("GET", `/v1/ops/switches/reach?${query}`);
    place.replaceChildren(element("b", { text: english ? told.en : told.zh }));
    if (told.titles.length) place.append(element("ul", {}, ...told.titles.map((text) => element("li", { text })), told.tests > told.titles.length ? element("li", { text: "…" }) : null));
  } catch (error) {
    place.textContent = error.message;
  }
}

for (const opener of document.querySelectorAll("[data-open]"))
  opener.addEventListener("click", () => {
    const place = document.getElementById(opener.dataset.open).querySelector("[data-reach]");
    if (place) show(place, place.dataset.reach);
  });

const target = document.querySelector("#one-test [name=target]");
let waiting = 0;
function look() {
  clearTimeout(waiting);
  const id = target.value.trim();
  if (id) waiting = setTimeout(() => show(document.getElementById("one-reach"), `scope=test&target=${encodeURIComponent(id)}`), 250);
}
target?.addEventListener("input", look);
if (target?.value) look();
