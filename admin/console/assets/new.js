import { call, say, words } from "./console.js";

const form = document.getElementById("new-test");
const list = document.getElementById("chosen");
const drop = document.getElementById("drop");
const bar = document.getElementById("progress");
let chosen = []; // {file, title, done, problem}
let testId = null;

function show() {
  list.replaceChildren(
    ...chosen.map((entry, index) => {
      const item = document.createElement("li");
      const picture = document.createElement("img");
      picture.src = (entry.url ??= URL.createObjectURL(entry.file));
      picture.alt = "";
      const title = document.createElement("input");
      title.value = entry.title;
      title.maxLength = 60;
      title.setAttribute("aria-label", words(`第 ${index + 1} 款的名称`, `Name of style ${index + 1}`));
      title.addEventListener("input", () => (entry.title = title.value));
      item.append(picture, title);
      if (entry.problem) {
        const problem = document.createElement("span");
        problem.className = "bad";
        problem.textContent = entry.problem;
        item.append(problem);
      }
      if (!entry.done) {
        const remove = document.createElement("button");
        remove.type = "button";
        remove.className = "plain";
        remove.textContent = words("移除", "Remove");
        remove.addEventListener("click", () => {
          chosen = chosen.filter((other) => other !== entry);
          show();
        });
        item.append(remove);
      }
      return item;
    }),
  );
}

function take(files) {
  for (const file of files) chosen.push({ file, title: file.name.replace(/\.[^.]+$/, "").slice(0, 60), done: false });
  show();
}

document.getElementById("pictures").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
for (const name of ["dragenter", "dragover"])
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});

function draft() {
  const value = (id) => document.getElementById(id).value.trim();
  const segment = { name: words("目标人群", "audience") };
  if (value("gender")) segment.gender = value("gender");
  if (value("age_min")) segment.age_min = Number(value("age_min"));
  if (value("age_max")) segment.age_max = Number(value("age_max"));
  return {
    title: value("title"),
    question: value("question") || undefined,
    goal: { keep: Number(value("keep")), certainty: value("certainty") },
    audience: Object.keys(segment).length > 1 ? [segment] : [],
    budget_fen: Math.round(Number(value("budget")) * 100),
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  const button = form.querySelector("button.main");
  button.disabled = true;
  bar.hidden = false;
  bar.max = chosen.length + 1;
  bar.value = 0;
  try {
    // A second try goes on where the first one stopped: the draft and the good pictures are kept.
    if (testId === null) testId = (await call("POST", "/v1/merchant/tests", draft())).test_id;
    else await call("PATCH", `/v1/merchant/tests/${testId}`, draft());
    bar.value = 1;
    for (const entry of chosen.filter((one) => !one.done)) {
      const body = new FormData();
      body.append("style", new Blob([JSON.stringify({ title: entry.title.trim() })], { type: "application/json" }));
      body.append("picture", entry.file, entry.file.name);
      entry.problem = null;
      try {
        await call("POST", `/v1/merchant/tests/${testId}/styles`, body);
        entry.done = true;
      } catch (error) {
        entry.problem = error.message;
      }
      bar.value += 1;
    }
    show();
    if (chosen.every((entry) => entry.done)) location.href = `/tests/${testId}`;
    else say(new Error(words("有的图片不能用,请看图片下的说明。", "Some pictures cannot be used; see below them.")));
  } catch (error) {
    say(error);
  } finally {
    button.disabled = false;
    bar.hidden = true;
  }
});
