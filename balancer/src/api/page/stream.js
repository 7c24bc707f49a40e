// The stream of views: connects, connects again, and says how fresh what is shown is.

/** A view is old when no other has come for so long, or for three times as long as between the two before. */
const STALE_MS = 15_000;

/** A stream that the balancer refused is asked for again after this time. */
const AGAIN_MS = 5_000;

/**
 * Listens to `v1/events`. `onView` gets each event's data; `onLink` gets `{ link, since, why }` whenever it changes, where
 * `link` is `connecting`, `live`, `stale`, `lost` or `refused`, and `since` when the last view came.
 */
export function listen(onView, onLink) {
  let source;
  let lastView;
  let between = 0;
  let link = "connecting";

  const is = (now, why) => {
    if (now === link) return;
    link = now;
    onLink({ link, since: lastView, why });
  };

  const connect = () => {
    source = new EventSource("v1/events");
    source.addEventListener("view", (event) => {
      const now = Date.now();
      if (lastView && link === "live") between = now - lastView;
      lastView = now;
      is("live");
      onView(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      // The browser tries again by itself, unless it was refused.
      if (source.readyState !== EventSource.CLOSED) return is("lost");
      refused().then((why) => is(why ? "refused" : "lost", why));
      setTimeout(connect, AGAIN_MS);
    });
  };

  setInterval(() => {
    const patience = Math.max(STALE_MS, 3 * between);
    if (link === "live" && Date.now() - lastView > patience) is("stale");
  }, 1000);
  connect();
}

/** Why the balancer refuses, in its own words; none when it does not answer. */
async function refused() {
  const stop = new AbortController();
  try {
    const answer = await fetch("v1/events", { signal: stop.signal, cache: "no-store" });
    return answer.ok ? undefined : (await answer.json()).error;
  } catch {
    return undefined;
  } finally {
    stop.abort();
  }
}
