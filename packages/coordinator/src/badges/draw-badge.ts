export const BADGE_STYLES = ["flat", "flat-square"] as const;
export type BadgeStyle = (typeof BADGE_STYLES)[number];

const COLORS = {
  unknown: "#9f9f9f",
  queued: "#007ec6",
  evaluating: "#007ec6",
  building: "#007ec6",
  passing: "#3c9a1f",
  partial: "#c77d15",
  failing: "#cf4533",
  aborted: "#a89b12",
} as const;
export type BadgeStatus = keyof typeof COLORS;

const HEIGHT = 20;
const PADDING = 6;
const FONT = "Verdana,Geneva,DejaVu Sans,sans-serif";
/** Of an 11 px Verdana; the text is then fitted to what this makes of it, so that no font overflows. */
const CHARACTER_WIDTH = 6.6;

/** A badge as an SVG image: what it is about on the left, how it stands on the right. Any label is safe. */
export function drawBadge(label: string, status: BadgeStatus, style: BadgeStyle): string {
  return drawText(label, { text: status, color: status }, style);
}

/** The same with another text on the right, in the color of a status. It may be text that needs no escapes. */
export function drawText(
  label: string,
  { text: status, color }: { text: string; color: BadgeStatus },
  style: BadgeStyle,
): string {
  const [left, right] = [widthOf(label), widthOf(status)];
  const width = left + right;
  const text = escapeXml(label);
  const radius = style === "flat" ? 3 : 0;
  const shine =
    style === "flat"
      ? `<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#fff" stop-opacity=".15"/><stop offset="1" stop-opacity=".1"/></linearGradient>`
      : "";
  const gloss =
    style === "flat" ? `<rect width="${width}" height="${HEIGHT}" fill="url(#s)"/>` : "";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${text}: ${status}">`,
    `<title>${text}: ${status}</title>`,
    shine,
    `<clipPath id="r"><rect width="${width}" height="${HEIGHT}" rx="${radius}"/></clipPath>`,
    `<g clip-path="url(#r)"><rect width="${left}" height="${HEIGHT}" fill="#555"/>`,
    `<rect x="${left}" width="${right}" height="${HEIGHT}" fill="${COLORS[color]}"/>${gloss}</g>`,
    `<g fill="#fff" text-anchor="middle" font-family="${FONT}" font-size="11">`,
    textAt(left / 2, left, text),
    textAt(left + right / 2, right, status),
    `</g></svg>`,
  ].join("");
}

function widthOf(text: string): number {
  return Math.round(text.length * CHARACTER_WIDTH) + 2 * PADDING;
}

function textAt(x: number, width: number, escaped: string): string {
  return `<text x="${x}" y="14" textLength="${width - 2 * PADDING}" lengthAdjust="spacingAndGlyphs">${escaped}</text>`;
}

function escapeXml(text: string): string {
  return (
    text
      // XML has no way to write most of these.
      .replaceAll(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, " ")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;")
  );
}
