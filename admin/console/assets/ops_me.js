// The second factor: the code to scan comes with the answer and is nowhere else.
document.getElementById("factor").addEventListener("sent", (event) => {
  event.preventDefault();
  document.getElementById("qr").src = `data:image/svg+xml,${encodeURIComponent(event.detail.qr_svg)}`;
  document.getElementById("secret").textContent = event.detail.secret;
  document.getElementById("factor").hidden = true;
  document.getElementById("proof").hidden = false;
  document.querySelector('#proof [name="code"]').focus();
});
