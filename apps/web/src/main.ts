/** Opens a model, and with it the page. */
import { stayOffline } from "./offline";
import { Page } from "./page";
import { describeFailure } from "./thread";
import { text } from "./text";
import { byId } from "./ui/dom";
import { setTexts, showRefusal } from "./ui/page";
import { openFirst } from "./ways";
import "./style.css";

const LONGEST_WAIT_MS = 60_000;

async function start(): Promise<void> {
  setTexts();
  byId("state").textContent = text.state.loading;
  let page: Page;
  try {
    page = new Page(await openFirst());
  } catch (error) {
    showRefusal(describeFailure(error));
    return;
  }
  // before the files are kept for later, which would disturb it
  await Promise.race([page.settle(), new Promise((end) => setTimeout(end, LONGEST_WAIT_MS))]);
  await stayOffline();
}

void start();
