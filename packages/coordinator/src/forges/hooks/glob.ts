/** Whether one of the patterns fits the whole name: `*` stands for anything, also slashes, `?` for one character. */
export function fitsAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => fits(pattern, name));
}

/** Goes back to the last star only, so that no pattern takes long. */
function fits(pattern: string, name: string): boolean {
  let at = 0;
  let inName = 0;
  let star = -1;
  let afterStar = 0;
  while (inName < name.length) {
    if (pattern[at] === "*") {
      star = at;
      afterStar = inName;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[inName])) {
      at += 1;
      inName += 1;
    } else if (star >= 0) {
      at = star + 1;
      afterStar += 1;
      inName = afterStar;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(at));
}
