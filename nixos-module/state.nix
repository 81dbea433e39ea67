# services.gradient-coordinator.state: what a farm declares, its options and the file that the coordinator reads.
{ lib, secretFile }:
let
  kinds = import ./state-options.nix { inherit lib secretFile; };
  credentials = "/run/credentials/gradient-coordinator.service";

  isSecret = name: lib.hasSuffix "_file" name;

  # The secrets below a value, by the names under which systemd hands them over: where they stand, joined.
  secretsBelow = prefix: value:
    if builtins.isAttrs value then
      lib.foldl' (found: name: found // (
        if isSecret name then lib.optionalAttrs (value.${name} != null) { "${prefix}-${name}" = value.${name}; }
        else secretsBelow "${prefix}-${name}" value.${name}
      )) { } (lib.attrNames value)
    else if builtins.isList value then
      lib.foldl' (found: each: found // each) { }
        (lib.imap0 (index: secretsBelow "${prefix}-${toString index}") value)
    else { };

  # The same value without what is left out, and with the names of the files that systemd makes.
  renderBelow = prefix: value:
    if builtins.isAttrs value then
      lib.mapAttrs (name: each:
        if isSecret name then "${credentials}/${prefix}-${name}" else renderBelow "${prefix}-${name}" each
      ) (lib.filterAttrs (_name: each: each != null) value)
    else if builtins.isList value then lib.imap0 (index: renderBelow "${prefix}-${toString index}") value
    else value;
in
{
  options = kinds;
  isUsed = state: lib.any (kind: state.${kind} != { }) (lib.attrNames kinds);
  render = renderBelow "state";
  secretFiles = secretsBelow "state";
}
