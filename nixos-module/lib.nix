# What the modules share.
{ lib }:
rec {
  # A file with a secret is named by where it lies, and handed over by systemd. The Nix store can be read by everybody.
  secretFile = lib.types.addCheck lib.types.path (path: !(lib.hasPrefix builtins.storeDir (toString path))) // {
    description = "path outside of the Nix store";
  };

  # A setting of a daemon is an option that becomes an environment variable.
  settingOptions = lib.mapAttrs (_name: setting: lib.mkOption (removeAttrs setting [ "env" ]));

  # The environment of settings with these values. Null leaves the daemon its own default.
  settingEnvironment = settings: values:
    lib.filterAttrs (_name: value: value != null)
      (lib.mapAttrs' (name: setting: lib.nameValuePair setting.env (settingText values.${name})) settings);

  settingText = value:
    if value == null then null
    else if builtins.isBool value then lib.boolToString value
    else if builtins.isList value then lib.concatStringsSep "," value
    else toString value;

  # A daemon's unit for systemd.services, with what options add.
  toService = { unit, service }: extra: {
    description = unit.Description;
    after = unit.After;
    wants = unit.Wants;
    wantedBy = [ "multi-user.target" ];
    startLimitIntervalSec = unit.StartLimitIntervalSec;
    serviceConfig = service // extra;
  };
}
