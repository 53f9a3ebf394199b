// A segment's form: how many players it holds, counted while it is written.
import { call, words } from "./console.js";
import { bodyOf } from "./ops.js";

const form = document.getElementById("segment");
const place = document.getElementById("count");
let asked = 0;
let timer = null;

async function count() {
  const number = ++asked;
  let told;
  try {
    const { name, reason, seen, ...predicate } = bodyOf(form);
    told = await call("POST", "/v1/ops/segments/headcount", predicate);
  } catch (error) {
    told = error;
  }
  if (number !== asked) return; // a later question was asked meanwhile
  if (told instanceof Error) place.textContent = told.message;
  else {
    const players = told.players.toLocaleString("en-US");
    place.textContent = words(`${told.exact ? "" : "约 "}${players} 位玩家符合`, `${told.exact ? "" : "about "}${players} players match`);
  }
}

if (form) {
  form.addEventListener("input", (event) => {
    if (event.target.name === "reason" || event.target.name === "name") return;
    clearTimeout(timer);
    timer = setTimeout(count, 300);
  });
  count();
}
