const DIST = new URL("../../packages/", import.meta.url);

/** docs/settings.md, made from the settings' definitions of both built daemons. */
export async function settingsPage() {
  const coordinator = await import(new URL("coordinator/dist/config/settings.js", DIST).href);
  const worker = await import(new URL("worker/dist/config/settings.js", DIST).href);
  return `# Settings

Made from the definitions of both daemons by \`npm run docs\`; \`npm run check\` fails when it is not what they say. A flag wins over the environment, which wins over the file.

## Coordinator

\`gradient-coordinator serve\`; the other commands know those that concern them. The file is named by \`--config\` or \`GRADIENT_CONFIG_FILE\`: one JSON object, keyed as below.

${table(coordinatorRows(coordinator))}

## Worker

\`gradient-worker run\`. The file is named by \`${worker.CONFIG_FILE.flag}\` or \`${worker.CONFIG_FILE.env}\`: one JSON object, keyed as below.

${table(worker.SETTINGS.map(workerRow))}
`;
}

function coordinatorRows({ settings, settingKey }) {
  return Object.entries(settings).map(([name, { value, variables, fallback, doc }]) => ({
    flag: code(`--${settingKey(name)} <${value}>`),
    environment: variables.map(code).join(", "),
    key: code(settingKey(name)),
    fallback: fallback === null || fallback === "" ? "" : code(fallback),
    doc,
  }));
}

function workerRow({ flag, value, env, key, fallback, doc }) {
  return {
    flag: flag === null ? "" : code(`${flag} ${value}`),
    environment: code(env),
    key: code(key),
    fallback: fallback ?? "",
    doc,
  };
}

function table(rows) {
  const lines = rows.map(
    ({ flag, environment, key, fallback, doc }) =>
      `| ${[flag, environment, key, fallback, doc].map(cell).join(" | ")} |`,
  );
  return ["| Flag | Environment | File | Default | |", "|---|---|---|---|---|", ...lines].join(
    "\n",
  );
}

function code(text) {
  return `\`${text}\``;
}

function cell(text) {
  return text.replaceAll("|", "\\|");
}
