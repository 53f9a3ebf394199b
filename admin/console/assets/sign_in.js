import { call, here, say } from "./console.js";

const form = document.getElementById("sign-in");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(null);
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const inside = await call("POST", "/sign-in", Object.fromEntries(new FormData(form)));
    location.href = form.dataset.next === "/" ? here(inside.home) : form.dataset.next;
  } catch (error) {
    if (error.code === "second_factor_wanted") document.getElementById("second").hidden = false;
    say(error);
  } finally {
    button.disabled = false;
  }
});
