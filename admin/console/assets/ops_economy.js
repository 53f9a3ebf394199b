// Figures of the programme: what is changed is simulated first, and saved only as it was simulated.
import { call, element, mark, words, yuan } from "./console.js";

const form = document.getElementById("economy");
const outlook = document.getElementById("outlook");
const save = document.getElementById("save");
const problem = document.getElementById("problem");
const working = document.getElementById("working");
let simulated = null;

function changes() {
  const found = {};
  for (const field of form.querySelectorAll("[data-was]")) {
    const differs = field.value.trim() !== field.dataset.was;
    field.classList.toggle("changed", differs);
    if (differs) found[field.name] = field.value.trim();
  }
  return found;
}

form.addEventListener("input", () => {
  changes();
  outlook.hidden = true; // what was simulated is not what stands there now
  simulated = null;
});

function crowd() {
  const told = {};
  for (const field of form.querySelectorAll('[name^="crowd."]')) {
    const name = field.name.slice(6);
    told[name] = name === "variety" ? field.value : Number.parseInt(field.value, 10) || 0;
  }
  return told;
}

const days = (one, value) => (value === null ? words(`多于 ${one.days} 天`, `more than ${one.days}`) : value);
const LINES = [
  [words("成熟天数 p10", "Days to ripe, p10"), (one) => days(one, one.days_to_ripe_p10)],
  [words("成熟天数 p50", "Days to ripe, p50"), (one) => days(one, one.days_to_ripe_p50)],
  [words("成熟天数 p90", "Days to ripe, p90"), (one) => days(one, one.days_to_ripe_p90)],
  [words("种出水果的玩家", "Players with a ripe tree"), (one) => `${one.ripened_permille / 10} %`],
  [words("每张有效票成本", "Cost per valid vote"), (one) => (one.cost_per_vote_millifen === null ? "—" : `¥${(one.cost_per_vote_millifen / 100000).toFixed(5)}`)],
  [words("每张有效票收入", "Income per valid vote"), (one) => yuan(one.income_per_vote_fen)],
  [words("期末待兑付", "Liability at the end"), (one) => yuan(one.liability_fen)],
  [words("收获箱数", "Harvests"), (one) => one.harvests],
  [words("最忙一周箱数", "Boxes in the fullest week"), (one) => one.boxes_a_week_peak],
];

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  mark(form, null);
  const asked = changes();
  const button = document.getElementById("simulate");
  button.disabled = true;
  working.textContent = words("正在模拟…", "Simulating…");
  try {
    const told = await call("POST", "/v1/ops/economy/simulations", { changes: asked, crowd: crowd() });
    show(told, asked);
  } catch (error) {
    problem.textContent = error.message;
    const figure = Object.keys(asked).find((name) => error.message.includes(name));
    mark(form, error.field ? error : figure ? { field: figure } : null);
  } finally {
    button.disabled = false;
    working.textContent = "";
  }
});

function show(told, asked) {
  const body = outlook.querySelector("tbody");
  body.replaceChildren(...LINES.map(([name, read]) =>
    element("tr", {}, element("td", { text: name }), element("td", { class: "num", text: read(told.now) }), element("td", { class: "num", text: read(told.changed) }))));
  document.getElementById("stock-words").textContent = words(
    `库存里还有 ${told.boxes_free} 箱;模拟人群最忙的一周要 ${told.changed.boxes_a_week_peak} 箱。`,
    `${told.boxes_free} boxes are free in stock; the crowd's fullest week asks for ${told.changed.boxes_a_week_peak}.`);
  const some = Object.keys(told.after).length > 0;
  save.hidden = !some;
  document.getElementById("what").textContent = Object.keys(told.after).map((name) => `${name}: ${JSON.stringify(told.before[name])} → ${JSON.stringify(told.after[name])}`).join("; ");
  simulated = some ? { changes: asked, based_on: told.economy_id } : null;
  outlook.hidden = false;
  outlook.focus();
}

save.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = save.querySelector(".error");
  place.textContent = "";
  if (!simulated) return;
  const button = document.getElementById("save-button");
  button.disabled = true;
  try {
    await call("PUT", "/v1/ops/economy", { ...simulated, reason: save.elements.reason.value.trim() }, { key: crypto.randomUUID() });
    sessionStorage.setItem("xk-said", words("已保存,对之后种下的树生效。", "Saved; it holds for trees planted from now on."));
    location.reload();
  } catch (error) {
    place.textContent = error.message;
    mark(save, error);
  } finally {
    button.disabled = false;
  }
});
