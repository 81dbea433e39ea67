/** Tells beside a chart's title the value under the pointer. Works for charts that come later, too. */
export function readCharts(): void {
  document.addEventListener("pointermove", (event) => {
    const { target } = event;
    if (!(target instanceof Element)) return;
    const chart = target.closest<SVGSVGElement>("svg[data-chart]");
    if (chart === null) return;
    const value = target.closest("[data-text]") ?? nearestPoint(chart, event.clientX);
    const reading = chart.closest("figure")?.querySelector("[data-reading]");
    if (value === null || reading === null || reading === undefined) return;
    for (const old of chart.querySelectorAll(".is-read")) old.classList.remove("is-read");
    value.classList.add("is-read");
    reading.textContent = value.getAttribute("data-text");
  });
}

function nearestPoint(chart: SVGSVGElement, x: number): Element | null {
  const box = chart.getBoundingClientRect();
  const wanted = ((x - box.left) / box.width) * chart.viewBox.baseVal.width;
  let nearest: SVGCircleElement | null = null;
  let distance = Infinity;
  for (const point of chart.querySelectorAll<SVGCircleElement>("circle[data-text]")) {
    const away = Math.abs(point.cx.baseVal.value - wanted);
    if (away < distance) [nearest, distance] = [point, away];
  }
  return nearest;
}
