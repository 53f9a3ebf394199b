// Pictures on their way: dropped or chosen, sent one after another, with progress and each refusal beside its picture.
import { call, words } from "./console.js";

export function dropping(drop, input, take) {
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
}

export const titleOf = (file) => file.name.replace(/\.[^.]+$/, "").slice(0, 60);

export function progress(box, of) {
  const bar = box.querySelector("progress");
  const said = box.querySelector("span");
  box.hidden = false;
  bar.max = of;
  bar.value = 0;
  return {
    step(text) {
      bar.value += 1;
      said.textContent = text ?? words(`${bar.value} / ${of}`, `${bar.value} of ${of}`);
    },
    end() {
      box.hidden = true;
    },
  };
}

export function send(testId, file, title) {
  const body = new FormData();
  body.append("style", new Blob([JSON.stringify({ title })], { type: "application/json" }));
  body.append("picture", file, file.name);
  return call("POST", `/v1/merchant/tests/${testId}/styles`, body);
}
