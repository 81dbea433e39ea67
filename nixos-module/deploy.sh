# Brings this machine to the newest green evaluation of a branch, and back when it is not well there. Settings are in the environment:
# deploy.nix says what they are. Ends with 0 when there is nothing to do or it is done, with 1 when it failed or went back.
set -euo pipefail

report_file="$STATE_DIRECTORY/report.json"
refused_file="$STATE_DIRECTORY/refused"
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT

evaluation="" commit="" path="" previous=""

# report OUTCOME MESSAGE: to the journal, a file, and an address when there is one.
report() {
  jq -nc --arg outcome "$1" --arg message "$2" --arg project "$DEPLOY_PROJECT" --arg evaluation "$evaluation" \
    --arg commit "$commit" --arg path "$path" --arg previous "$previous" --arg machine "$DEPLOY_MACHINE" \
    '{time: (now | todate), machine: $machine, outcome: $outcome, message: $message, project: $project,
      evaluation: $evaluation, commit: $commit, path: $path, previous: $previous}' > "$private/report"
  cat "$private/report"
  mv "$private/report" "$report_file"
  if [ -n "$DEPLOY_REPORT_URL" ]; then
    curl --silent --show-error --fail --max-time 30 --header 'Content-Type: application/json' \
      --data-binary "@$report_file" "$DEPLOY_REPORT_URL" > /dev/null || echo "the report could not be delivered" >&2
  fi
}

fail() {
  report failed "$1"
  exit 1
}

# Arguments of a process can be read by everybody, so the key stays in files.
key=$(cat "$CREDENTIALS_DIRECTORY/api-key")
printf 'Authorization: Bearer %s\n' "$key" > "$private/header"
host=${DEPLOY_SERVER#*://}
printf 'machine %s login any password %s\n' "${host%%[:/]*}" "$key" > "$private/netrc"

api() {
  curl --silent --show-error --fail --max-time 60 --header "@$private/header" "$DEPLOY_SERVER/api/v1$1"
}

evaluations=$(api "/projects/$DEPLOY_PROJECT/evaluations?limit=500") || fail "$DEPLOY_SERVER does not tell the evaluations of $DEPLOY_PROJECT"
newest=$(jq -c --arg branch "$DEPLOY_BRANCH" \
  '[.message[] | select(.status == "Completed" and .pr_number == null
      and .reference == (if $branch == "" then null else "refs/heads/" + $branch end))] | first // empty' <<< "$evaluations")
if [ -z "$newest" ]; then
  report unchanged "no evaluation of the branch is green"
  exit 0
fi
evaluation=$(jq -r .id <<< "$newest")
commit=$(jq -r .commit <<< "$newest")

entry_points=$(api "/projects/$DEPLOY_PROJECT/entry-points?evaluation_id=$evaluation") || fail "the entry points of $evaluation cannot be read"
build=$(jq -r --arg attribute "$DEPLOY_ATTRIBUTE" 'first(.message[] | select(.eval == $attribute)).build_id // empty' <<< "$entry_points")
[ -n "$build" ] || fail "evaluation $evaluation has no $DEPLOY_ATTRIBUTE"
output=$(api "/builds/$build" | jq -r '.message.output.out // empty') || fail "build $build cannot be read"
[[ $output =~ ^[0-9a-z]{32}-[0-9A-Za-z+._?=-]+$ ]] || fail "build $build has no output that could be deployed"
path="/nix/store/$output"

if [ -e "$DEPLOY_PROFILE" ]; then previous=$(readlink -f "$DEPLOY_PROFILE"); fi
if [ "$path" = "$previous" ]; then
  report unchanged "this system is there already"
  exit 0
fi
if [ -e "$refused_file" ] && [ "$(cat "$refused_file")" = "$path" ]; then
  report unchanged "this system has failed here before; remove $refused_file to try it again"
  exit 0
fi

# Nothing is built here, and nothing is taken that these keys have not signed.
nix-store --realise "$path" --add-root "$STATE_DIRECTORY/next" --indirect --max-jobs 0 \
  --option substituters "$DEPLOY_SUBSTITUTERS" --option trusted-public-keys "$DEPLOY_TRUSTED_PUBLIC_KEYS" \
  --option require-sigs true --option netrc-file "$private/netrc" > /dev/null \
  || fail "$path could not be fetched with a signature of a trusted key"

is_healthy() {
  if [ -n "$DEPLOY_HEALTH_COMMAND" ]; then timeout 60 bash -c "$DEPLOY_HEALTH_COMMAND" >&2 || return 1; fi
  if [ -n "$DEPLOY_HEALTH_URL" ]; then
    curl --silent --show-error --fail --max-time 10 --output /dev/null "$DEPLOY_HEALTH_URL" || return 1
  fi
}

becomes_healthy() {
  local deadline=$((SECONDS + DEPLOY_HEALTH_SECONDS))
  until is_healthy; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 1
  done
}

# switch_to PATH: makes it the system that runs and that the machine boots.
switch_to() {
  nix-env --profile "$DEPLOY_PROFILE" --set "$1" && "$1/bin/switch-to-configuration" switch >&2
}

if switch_to "$path"; then
  if becomes_healthy; then
    rm -f "$refused_file"
    report deployed "this system runs"
    exit 0
  fi
  reason="it was not healthy within $DEPLOY_HEALTH_SECONDS s"
else
  reason="it could not be switched to"
fi

printf '%s\n' "$path" > "$refused_file"
[ -n "$previous" ] || fail "$reason, and there is no system to go back to"
switch_to "$previous" || fail "$reason, and going back to $previous failed, too"
report rolled-back "$reason; $previous runs again"
exit 1
