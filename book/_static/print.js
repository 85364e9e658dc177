// Paper is light: print in the light theme, whatever the reader reads in.
(() => {
  const root = document.documentElement;
  let theme = null;
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    if (theme !== null) root.dataset.theme = theme;
  });
})();
