/** The slider between operating points: it stands at one of them, as only there are rates known. */
import { SHIPPED_POINT } from "../model/bundle";
import type { NamedPoint } from "../model/report";
import { isReliable } from "../model/verdict";
import { text } from "../text";
import { byId } from "./dom";

export class ThresholdSlider {
  private readonly input = byId<HTMLInputElement>("threshold");
  points: NamedPoint[] = [];

  /** `changed` is called when somebody moves it. */
  constructor(changed: () => void) {
    this.input.addEventListener("input", () => {
      this.show();
      changed();
    });
  }

  get point(): NamedPoint {
    return this.points[Number(this.input.value)];
  }

  /** Another bundle's points: it stays at the one of the same name. */
  set(points: NamedPoint[]): void {
    const wanted = this.points.length > 0 ? this.point.name : SHIPPED_POINT;
    this.points = points;
    this.input.max = String(points.length - 1);
    this.input.value = String(Math.max(0, points.findIndex(({ name }) => name === wanted)));
    this.input.disabled = points.length < 2;
    this.show();
  }

  private show(): void {
    const { point } = this;
    const stop = text.threshold.stop(point.name, point.target_fpr);
    this.input.setAttribute("aria-valuetext", stop);
    byId("threshold-value").textContent = stop;
    byId("threshold-limits").textContent = describePoint(point);
  }
}

function describePoint(point: NamedPoint): string {
  const said = [text.threshold.limits(point.name, point.fake_from, point.real_below)];
  if (!isReliable(point)) {
    const { fpr_bound: fpr, miss_bound: miss, target_fpr, target_miss, n_real, n_fake } = point;
    if (fpr !== null && target_fpr !== null && fpr > target_fpr) {
      said.push(text.threshold.unreliable(fpr, n_real ?? 0));
    }
    if (miss !== null && target_miss !== null && miss > target_miss) {
      said.push(text.threshold.unreliableMisses(miss, n_fake ?? 0));
    }
  }
  return said.join(" ");
}
