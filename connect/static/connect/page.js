// Copy buttons, the live status, and small helps. The page works without any of it.
(function () {
  "use strict";

  // Copy: <button data-copy="ID"> copies the text of the element with that id.
  function say(button, text) {
    button.dataset.label = button.dataset.label || button.textContent;
    button.textContent = text;
    window.setTimeout(function () { button.textContent = button.dataset.label; }, 2000);
  }
  document.querySelectorAll("button[data-copy]").forEach(function (button) {
    button.addEventListener("click", function () {
      var source = document.getElementById(button.dataset.copy);
      navigator.clipboard.writeText(source.textContent).then(
        function () { say(button, "Copied"); },
        function () {
          window.getSelection().selectAllChildren(source);
          say(button, "Press Ctrl+C");
        }
      );
    });
  });

  // A link to #cursor opens that card.
  function openNamed() {
    var named = document.getElementById(window.location.hash.slice(1));
    if (!named || !named.matches("details.client")) return;
    if (named.parentElement.matches("details")) named.parentElement.open = true;
    named.open = true;
    named.scrollIntoView();
  }
  window.addEventListener("hashchange", openNamed);
  openNamed();

  // The file for the system at hand stands out.
  var agent = navigator.userAgent;
  var system = /Windows/.test(agent) ? "Windows" : /Mac OS/.test(agent) ? "macOS" : "Linux";
  document.querySelectorAll("tr[data-system]").forEach(function (row) {
    if (row.dataset.system.indexOf(system) >= 0) row.classList.add("mine");
  });

  // Is it working? Begins with a click in a card, asks once a second, ends when it works.
  var status = document.getElementById("status");
  if (!status) return;
  var panel = document.getElementById("status-panel");
  var shown = "";
  var timer = null;
  var asking = null;

  function show(html) {
    if (html !== shown) {
      shown = html;
      panel.replaceChildren.apply(
        panel, Array.from(new DOMParser().parseFromString(html, "text/html").body.childNodes)
      );
    }
    status.hidden = false;
    var now = panel.querySelector("[data-state]");
    var works = now !== null && now.dataset.state === "works";
    if (works) showConnections();
    return now !== null && !works;
  }
  // The list beside the cards is of before.
  function showConnections() {
    fetch(window.location.pathname).then(function (response) { return response.text(); }).then(
      function (html) {
        var fresh = new DOMParser().parseFromString(html, "text/html").getElementById("connections");
        if (fresh) document.getElementById("connections").replaceWith(fresh);
      }
    );
  }
  function ask() {
    timer = null;
    asking = new AbortController();
    fetch(status.dataset.url, {
      headers: { "X-Panel-Only": "1" }, signal: asking.signal,
    }).then(function (response) {
      if (response.status === 204 || response.status === 401) return;
      if (!response.ok) return later(5000);
      return response.text().then(function (html) { if (show(html)) later(1000); });
    }).catch(function () { later(5000); });
  }
  function later(milliseconds) {
    if (timer === null) timer = window.setTimeout(ask, milliseconds);
  }
  function begin(button) {
    var form = button.form;
    var body = new FormData(form);
    body.append(button.name, button.value);
    fetch(form.action, {
      method: "POST", body: body, headers: { "X-Panel-Only": "1" }, keepalive: true,
    }).then(function (response) {
      if (!response.ok) return;
      response.text().then(function (html) {
        button.closest(".body").append(status);
        show(html);
        later(1000);
      });
    });
  }
  document.querySelectorAll("button[form=watch]").forEach(function (button) {
    button.addEventListener("click", function (event) {
      event.preventDefault();
      begin(button);
    });
    button.closest(".body").querySelectorAll("[data-begins]").forEach(function (element) {
      element.addEventListener("click", function () { begin(button); });
    });
  });
  // Who signs out leaves: what is asked meanwhile would be refused.
  document.addEventListener("submit", function () {
    if (asking !== null) asking.abort();
  });
  if (!status.hidden) ask();
})();
