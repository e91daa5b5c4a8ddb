(() => {
  for (const button of document.querySelectorAll("button.copy")) {
    const text = document.getElementById(button.dataset.of);
    if (!text || !navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const words = button.textContent;
      try { await navigator.clipboard.writeText(text.textContent); button.textContent = "Copied"; }
      catch { button.textContent = "Not copied: select the text"; }
      setTimeout(() => { button.textContent = words; }, 2000);
    });
  }
  for (const button of document.querySelectorAll("button.open-all")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const rows = document.getElementById(button.dataset.of).querySelectorAll("details");
      const open = ![...rows].every((row) => row.open);
      for (const row of rows) row.open = open;
      button.textContent = open ? "Close all packets" : "Open all packets";
    });
  }
  const reveal = () => {
    let part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const target = part;
    for (; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
})();
