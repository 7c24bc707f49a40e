// The balancer's page: takes each view that the balancer sends, and hands it to the parts.

import { makeBrokers, pick, showBrokers } from "./brokers.js";
import { makeDialog } from "./dialog.js";
import { showHistory } from "./history.js";
import { showHot } from "./hot.js";
import { ordersKnow } from "./orders.js";
import { makePartitions } from "./partitions.js";
import { showPlan } from "./plan.js";
import { listen } from "./stream.js";
import { makeStrip, showStrip } from "./strip.js";
import { makeSummary, showLink, showSummary } from "./summary.js";

/** The latest view; brokers and history come only when they have changed. */
let view = { brokers: undefined, history: [] };
let link = { link: "connecting" };
/** How far the balancer's clock is ahead of this one, in milliseconds; looks are never of the future. */
let ahead = -Infinity;

const now = () => Date.now() + (Number.isFinite(ahead) ? ahead : 0);

makeSummary();
makeDialog();
makeStrip(pick);
makeBrokers();
makePartitions();

listen(
  (event) => {
    view = { ...view, ...event };
    if (view.state.ticked_at_ms > 0) ahead = Math.max(ahead, view.state.ticked_at_ms - Date.now());
    ordersKnow(view);
    showPlan(view);
    showSummary(view);
    showHot(view, now());
    if (event.brokers) showStrip(view);
    showBrokers(view);
    showHistory(view);
    showLink(link, now());
  },
  (state) => {
    link = state;
    showLink(link, now());
  },
);

setInterval(() => showLink(link, now()), 1000);
