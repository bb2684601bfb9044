/** The service worker: the page works without a network after one visit. */
import { byId } from "./ui/dom";

export async function stayOffline(): Promise<void> {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const container = navigator.serviceWorker;
  const had = container.controller !== null;
  const file = new URL("sw.js", document.baseURI);
  // a browser may forbid it; the page then needs the network each time
  const registration = await container.register(file).catch(() => undefined);
  if (registration === undefined) return;
  const offer = () => {
    if (registration.waiting !== null && had) byId("update").hidden = false;
  };
  offer();
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", offer);
  });
  byId("update-load").addEventListener("click", () => {
    container.addEventListener("controllerchange", () => location.reload(), { once: true });
    registration.waiting?.postMessage("take over");
  });
}
