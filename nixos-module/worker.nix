# services.gradient-worker: fetches, evaluates, builds, measures, signs and uploads for a coordinator.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  shared = import ./lib.nix { inherit lib; };
  settings = import ./worker-settings.nix { inherit lib; };
  units = import ./units.nix;
  cfg = config.services.gradient-worker;
  isRoot = cfg.user == "root";

  capability = what: mkOption {
    type = types.bool;
    default = true;
    example = false;
    description = "Whether the worker takes ${what} jobs.";
  };

  environment = {
    GRADIENT_WORKER_SERVER_URL = cfg.serverUrl;
    GRADIENT_WORKER_DATA_DIR = cfg.baseDir;
    GRADIENT_WORKER_PEERS_FILE = "%d/peers";
    GRADIENT_WORKER_CAPABILITY_FETCH = lib.boolToString cfg.capabilities.fetch;
    GRADIENT_WORKER_CAPABILITY_EVAL = lib.boolToString cfg.capabilities.eval;
    GRADIENT_WORKER_CAPABILITY_BUILD = lib.boolToString cfg.capabilities.build;
    GRADIENT_LOG_LEVEL = cfg.settings.logLevel.default;
    HOME = cfg.baseDir;
    TMPDIR = "%C/gradient-worker";
    XDG_CACHE_HOME = "%C/gradient-worker";
  }
  // lib.optionalAttrs (cfg.workerId != null) { GRADIENT_WORKER_ID = cfg.workerId; }
  // lib.optionalAttrs (cfg.gitCredentialsFile != null) { GRADIENT_WORKER_GIT_CREDENTIALS = "%d/git-credentials"; }
  // lib.optionalAttrs (!isRoot && cfg.settings.store == null) { NIX_REMOTE = "daemon"; }
  // shared.settingEnvironment settings cfg.settings;
in
{
  options.services.gradient-worker = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether this machine is a worker of a Gradient farm.";
    };
    serverUrl = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "wss://farm.example.org";
      description = "Coordinator to serve.";
    };
    peersFile = mkOption {
      type = types.nullOr shared.secretFile;
      default = null;
      example = "/run/secrets/gradient-peers";
      description = "File with a line `<organization id>:<token>` for each organization. Restart the worker when it changes: builds go on.";
    };
    workerId = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
      description = "UUID of this worker, for farms that register it before it first runs. By default it makes one.";
    };
    baseDir = mkOption {
      type = types.str;
      default = "/var/lib/gradient-worker";
      example = "/var/lib/builder";
      description = "Directory of id, key, journal and repositories. It lies below /var/lib.";
    };
    user = mkOption {
      type = types.str;
      default = "root";
      example = "gradient-worker";
      description = ''
        User that the worker runs as. Root works on the store itself, measures each build exactly and holds it to its limits. Any other user is
        made, builds through the system's Nix daemon, which trusts it, and its figures are samples.
      '';
    };
    gitCredentialsFile = mkOption {
      type = types.nullOr shared.secretFile;
      default = null;
      example = "/run/secrets/git-credentials";
      description = "Users and passwords for https fetches, one `https://user:password@host` a line. The fetches of every organization use them.";
    };
    packages = {
      gradient = mkOption {
        type = types.package;
        default = pkgs.callPackage ./package.nix { name = "worker"; };
        defaultText = "the worker of this repository";
        example = lib.literalExpression "pkgs.gradient-worker";
        description = "Package with gradient-worker.";
      };
      nix = mkOption {
        type = types.package;
        default = config.nix.package;
        defaultText = "config.nix.package";
        example = lib.literalExpression "pkgs.nix";
        description = "Nix that evaluates and builds, 2.8 or newer.";
      };
      git = mkOption {
        type = types.package;
        default = pkgs.gitMinimal;
        defaultText = "pkgs.gitMinimal";
        example = lib.literalExpression "pkgs.git";
        description = "git that fetches.";
      };
      ssh = mkOption {
        type = types.package;
        default = pkgs.openssh;
        defaultText = "pkgs.openssh";
        example = lib.literalExpression "pkgs.openssh_hpn";
        description = "ssh that fetches over ssh use.";
      };
    };
    capabilities = {
      fetch = capability "fetch";
      eval = capability "evaluation";
      build = capability "build and sign";
    };
    settings = shared.settingOptions settings // {
      logLevel.default = mkOption {
        type = types.enum [ "trace" "debug" "info" "warn" "error" "fatal" "silent" ];
        default = "info";
        example = "debug";
        description = "Least level that is logged.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.serverUrl != null && cfg.peersFile != null;
        message = "services.gradient-worker: set serverUrl and peersFile.";
      }
      {
        assertion = lib.hasPrefix "/var/lib/" cfg.baseDir;
        message = "services.gradient-worker.baseDir: ${cfg.baseDir} does not lie below /var/lib.";
      }
    ];

    systemd.services.gradient-worker = shared.toService units.worker ({
      ExecStart = "${cfg.packages.gradient}/bin/gradient-worker run";
      StateDirectory = lib.removePrefix "/var/lib/" cfg.baseDir;
      LoadCredential =
        lib.optional (cfg.peersFile != null) "peers:${toString cfg.peersFile}"
        ++ lib.optional (cfg.gitCredentialsFile != null) "git-credentials:${toString cfg.gitCredentialsFile}";
    }
    // lib.optionalAttrs (!isRoot) { User = cfg.user; Group = cfg.user; })
    // {
      inherit environment;
      path = [ cfg.packages.nix cfg.packages.git cfg.packages.ssh ];
    };

    environment.systemPackages = [ cfg.packages.gradient ];

    users = lib.mkIf (!isRoot) {
      users.${cfg.user} = {
        isSystemUser = true;
        group = cfg.user;
        home = cfg.baseDir;
      };
      groups.${cfg.user} = { };
    };
    nix.settings.trusted-users = lib.mkIf (!isRoot) [ cfg.user ];
  };
}
