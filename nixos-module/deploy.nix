# system.gradient-deploy: this machine follows the newest green evaluation of a branch.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  shared = import ./lib.nix { inherit lib; };
  cfg = config.system.gradient-deploy;
in
{
  options.system.gradient-deploy = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether this machine is brought to the newest green evaluation of a branch, and back when it is not healthy there.";
    };
    server = mkOption {
      type = types.str;
      example = "https://farm.example.org";
      description = "Address of the farm.";
    };
    apiKeyFile = mkOption {
      type = shared.secretFile;
      example = "/run/secrets/gradient-api-key";
      description = "File with an API key that may read the project and the cache.";
    };
    project = mkOption {
      type = types.str;
      example = "acme/machines";
      description = "Organization and project.";
    };
    branch = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "production";
      description = "Branch whose evaluations count. By default those of the repository's own (its HEAD). Evaluations of pull requests never count.";
    };
    deployFor = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = "config.networking.hostName";
      example = "web1";
      description = "Name of the machine's configuration.";
    };
    attribute = mkOption {
      type = types.str;
      default = "nixosConfigurations.${cfg.deployFor}.config.system.build.toplevel";
      defaultText = "nixosConfigurations.DEPLOY_FOR.config.system.build.toplevel";
      example = "machines.web1";
      description = "Attribute of the evaluation that is the system.";
    };
    substituters = mkOption {
      type = types.listOf types.str;
      example = [ "https://farm.example.org/cache/main" ];
      description = "Caches that the system is fetched from. Nothing is built here.";
    };
    trustedPublicKeys = mkOption {
      type = types.listOf types.str;
      example = [ "farm.example.org-main-1:BASE64" ];
      description = "Keys of which one has to have signed every path that is fetched.";
    };
    dates = mkOption {
      type = types.str;
      default = "04:00";
      example = "*:0/5";
      description = "When to look, as systemd.time(7) has it.";
    };
    randomizedDelaySec = mkOption {
      type = types.str;
      default = "0";
      example = "45min";
      description = "Most time by which each look is put off, at random.";
    };
    healthCheck = {
      command = mkOption {
        type = types.str;
        default = "";
        example = "systemctl is-active nginx";
        description = "Command that ends with 0 when the machine is well.";
      };
      url = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "http://127.0.0.1/health";
        description = "Address that answers with a 2xx when the machine is well.";
      };
      timeoutSec = mkOption {
        type = types.ints.unsigned;
        default = 60;
        example = 300;
        description = "Seconds that the new system has to become well. Then the machine goes back to the one before, which is not left for the same one again.";
      };
    };
    reportUrl = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://monitor.example.org/deployments";
      description = "Address that gets each report as JSON. It is in the journal and in /var/lib/gradient-deploy/report.json anyhow.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.trustedPublicKeys != [ ] && cfg.substituters != [ ];
        message = "system.gradient-deploy: name at least one substituter and one trusted public key.";
      }
    ];

    systemd.services.gradient-deploy = {
      description = "Deployment of the newest green evaluation";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      startAt = cfg.dates;
      # It is what switches: a new system neither restarts nor stops it.
      restartIfChanged = false;
      unitConfig.X-StopOnRemoval = false;
      path = [ config.nix.package pkgs.bash pkgs.coreutils pkgs.curl pkgs.jq ];
      environment = {
        HOME = "/root";
        DEPLOY_SERVER = cfg.server;
        DEPLOY_PROJECT = cfg.project;
        DEPLOY_BRANCH = if cfg.branch == null then "" else cfg.branch;
        DEPLOY_MACHINE = cfg.deployFor;
        DEPLOY_ATTRIBUTE = cfg.attribute;
        DEPLOY_SUBSTITUTERS = lib.concatStringsSep " " cfg.substituters;
        DEPLOY_TRUSTED_PUBLIC_KEYS = lib.concatStringsSep " " cfg.trustedPublicKeys;
        DEPLOY_PROFILE = "/nix/var/nix/profiles/system";
        DEPLOY_HEALTH_COMMAND = cfg.healthCheck.command;
        DEPLOY_HEALTH_URL = if cfg.healthCheck.url == null then "" else cfg.healthCheck.url;
        DEPLOY_HEALTH_SECONDS = toString cfg.healthCheck.timeoutSec;
        DEPLOY_REPORT_URL = if cfg.reportUrl == null then "" else cfg.reportUrl;
      };
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${pkgs.bash}/bin/bash ${./deploy.sh}";
        StateDirectory = "gradient-deploy";
        StateDirectoryMode = "0700";
        LoadCredential = [ "api-key:${toString cfg.apiKeyFile}" ];
      };
    };

    systemd.timers.gradient-deploy.timerConfig = {
      RandomizedDelaySec = cfg.randomizedDelaySec;
      Persistent = true;
    };
  };
}
