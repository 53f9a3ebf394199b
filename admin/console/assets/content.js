// Content review: everything on the page passed at once, one call each, so that a refusal in between loses nothing.
import { ask, call, words } from "./console.js";

document.getElementById("pass-all")?.addEventListener("click", async (event) => {
  const pieces = [...document.querySelectorAll("[data-content]")];
  if (!(await ask(words(`这 ${pieces.length} 条都看过了,全部通过?`, `You have looked at all ${pieces.length}; pass them all?`)))) return;
  event.target.disabled = true;
  const said = document.getElementById("passing");
  for (const [index, piece] of pieces.entries()) {
    try {
      await call("POST", `/v1/ops/content/${piece.dataset.content}/judge`, { verdict: "pass" });
    } catch (error) {
      if (error.code !== "content_judged") {
        said.textContent = error.message;
        event.target.disabled = false;
        return;
      }
    }
    said.textContent = words(`${index + 1} / ${pieces.length}`, `${index + 1} of ${pieces.length}`);
  }
  location.reload();
});
