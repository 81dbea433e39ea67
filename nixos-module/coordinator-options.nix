# Options of services.gradient-coordinator.
{ lib, pkgs, shared, settings, accounts, state }:
let
  inherit (lib) mkOption types;
  inherit (shared) secretFile settingOptions;

  switch = default: description: mkOption {
    inherit default description;
    type = types.bool;
    example = !default;
  };
  text = example: description: mkOption {
    inherit example description;
    type = types.nullOr types.str;
    default = null;
  };
  secret = example: description: mkOption {
    inherit example description;
    type = types.nullOr secretFile;
    default = null;
  };
in
{
  enable = switch false "Whether this machine is the coordinator of a Gradient farm.";
  domain = mkOption {
    type = types.str;
    example = "farm.example.org";
    description = "Name under which users and workers reach the coordinator. It names the keys of new caches.";
  };
  baseDir = mkOption {
    type = types.str;
    default = "/var/lib/gradient";
    example = "/var/lib/farm";
    description = "Directory of everything that is kept. It lies below /var/lib.";
  };
  listenAddr = mkOption {
    type = types.str;
    default = "127.0.0.1";
    example = "::1";
    description = "Address to listen on.";
  };
  port = mkOption {
    type = types.port;
    default = 3000;
    example = 8080;
    description = "Port to listen on.";
  };
  useTls = switch true "Whether users reach it by https. A proxy has to speak it.";
  jwtSecretFile = secret "/run/secrets/gradient-jwt" "File with the secret that signs sessions, at least 32 characters. By default one is made in {option}`baseDir`.";
  cryptSecretFile = secret "/run/secrets/gradient-crypt" "File with the secret that seals private keys in the database, at least 32 characters. By default one is made in {option}`baseDir`.";
  metricsTokenFile = secret "/run/secrets/gradient-metrics" "File with the token that Prometheus reads /metrics with. By default there are no metrics.";
  validateState = switch true "Whether the system is only built when the coordinator would take what {option}`state` declares.";
  packages.server = mkOption {
    type = types.package;
    default = pkgs.callPackage ./package.nix { name = "coordinator"; };
    defaultText = "the coordinator of this repository";
    example = lib.literalExpression "pkgs.gradient-coordinator";
    description = "Package with gradient-coordinator.";
  };
  frontend.url = text "https://ci.example.org" "URL of pages that are served from elsewhere and call the API with their users' credentials.";
  reverseProxy = {
    nginx = {
      enable = switch false "Whether nginx stands before the coordinator.";
      manageTls = switch true "Whether nginx gets its certificate by ACME.";
    };
    caddy = {
      enable = switch false "Whether Caddy stands before the coordinator.";
      useACMEHost = text "example.org" "Name in {option}`security.acme.certs` whose certificate Caddy uses. By default it gets one by itself.";
      extraConfig = mkOption {
        type = types.lines;
        default = "";
        example = "encode zstd";
        description = "Further lines of the site.";
      };
    };
  };
  email = settingOptions accounts.email // lib.mapAttrs (_: mkOption) accounts.emailSecrets;
  oidc = settingOptions accounts.oidc // lib.mapAttrs (_: mkOption) accounts.oidcSecrets;
  s3 = {
    enable = switch false "Whether NARs are kept in an S3-compatible store.";
    bucket = text "nars" "Bucket of the NARs.";
    prefix = mkOption {
      type = types.str;
      default = "";
      example = "farm";
      description = "What all names begin with. Two farms never share one.";
    };
    region = mkOption {
      type = types.str;
      default = "us-east-1";
      example = "eu-central-1";
      description = "Region of the bucket.";
    };
    endpoint = text "https://s3.example.org" "The store's address. By default AWS's own.";
    credentialsFile = secret "/run/secrets/s3" "Credentials in the format of AWS's shared credentials file. By default the machine's role.";
  };
  settings = settingOptions settings // {
    logLevel.default = mkOption {
      type = types.enum [ "trace" "debug" "info" "warn" "error" "fatal" "silent" ];
      default = "info";
      example = "debug";
      description = "Least level that is logged.";
    };
  };
  state = state.options;
}
