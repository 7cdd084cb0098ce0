// Renews the page in place, and says so when it cannot: an old page must never look like a healthy one.
"use strict";
const every = 1000 * Number(document.documentElement.dataset.refresh);
const stale = document.getElementById("stale");
let seen = new Date();

async function renew() {
  const reading = !getSelection().isCollapsed; // do not take away the text that somebody is copying
  if (!document.hidden && !reading) {
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(every + 5000) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.title = fresh.title;
      document.body.classList.remove("stale");
      stale.hidden = true;
      seen = new Date();
    } catch {
      stale.textContent = `No answer from streamer since ${seen.toLocaleTimeString()}. What you see is old.`;
      stale.hidden = false;
      document.body.classList.add("stale");
    }
  }
  setTimeout(renew, every);
}

setTimeout(renew, every);
