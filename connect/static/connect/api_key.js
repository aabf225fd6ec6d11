// Runs before anything else on the page: takes a new API key out of the fragment and out of the
// address bar and the history, so that nothing loaded later, and nobody looking, finds it there.
(function () {
  "use strict";
  var match = /^#api_key=([A-Za-z0-9_.-]+)$/.exec(window.location.hash);
  if (!match) return;
  window.history.replaceState(null, "", window.location.pathname);
  document.addEventListener("DOMContentLoaded", function () {
    document.getElementById("new-key-value").textContent = match[1];
    document.getElementById("new-key").hidden = false;
  });
})();
