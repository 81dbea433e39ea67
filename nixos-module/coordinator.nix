# services.gradient-coordinator: queue, facts, HTTP APIs and binary cache.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  shared = import ./lib.nix { inherit lib; };
  settings = import ./coordinator-settings.nix { inherit lib; };
  accounts = import ./account-settings.nix { inherit lib; inherit (shared) secretFile; };
  units = import ./units.nix;
  proxies = import ./reverse-proxy.nix;
  state = import ./state.nix { inherit lib; inherit (shared) secretFile; };
  cfg = config.services.gradient-coordinator;

  address = "${if lib.hasInfix ":" cfg.listenAddr then "[${cfg.listenAddr}]" else cfg.listenAddr}:${toString cfg.port}";

  # Each secret with its variable, and the name under which systemd hands it over.
  secrets = [
    { name = "jwt-secret"; env = "GRADIENT_JWT_SECRET_FILE"; file = cfg.jwtSecretFile; }
    { name = "crypt-secret"; env = "GRADIENT_CRYPT_SECRET_FILE"; file = cfg.cryptSecretFile; }
    { name = "metrics-token"; env = "GRADIENT_METRICS_TOKEN_FILE"; file = cfg.metricsTokenFile; }
    { name = "smtp-password"; env = "GRADIENT_EMAIL_SMTP_PASSWORD_FILE"; file = cfg.email.smtpPasswordFile; }
    { name = "oidc-client-secret"; env = "GRADIENT_OIDC_CLIENT_SECRET_FILE"; file = cfg.oidc.clientSecretFile; }
    { name = "s3"; env = "AWS_SHARED_CREDENTIALS_FILE"; file = cfg.s3.credentialsFile; }
  ];
  given = lib.filter (secret: secret.file != null) secrets;

  hasState = state.isUsed cfg.state;
  stateFile = pkgs.writeText "gradient-state.json" (builtins.toJSON (state.render cfg.state));
  # The system is not built when the coordinator would refuse what it declares.
  checkedState = pkgs.runCommand "gradient-state-checked.json" { } ''
    ${cfg.packages.server}/bin/gradient-coordinator state check ${stateFile}
    cp ${stateFile} $out
  '';

  objectStore =
    let
      query = lib.concatStringsSep "&" (lib.optional (cfg.s3.endpoint != null) "endpoint=${cfg.s3.endpoint}" ++ [ "region=${cfg.s3.region}" ]);
    in
    "s3://${toString cfg.s3.bucket}/${cfg.s3.prefix}?${query}";

  environment = {
    GRADIENT_BASE_PATH = cfg.baseDir;
    GRADIENT_IP = cfg.listenAddr;
    GRADIENT_PORT = toString cfg.port;
    GRADIENT_SERVE_URL = "${if cfg.useTls then "https" else "http"}://${cfg.domain}";
    GRADIENT_LOG_LEVEL = cfg.settings.logLevel.default;
  }
  // lib.optionalAttrs (cfg.frontend.url != null) { GRADIENT_FRONTEND_URL = cfg.frontend.url; }
  // lib.optionalAttrs cfg.s3.enable { GRADIENT_OBJECT_STORE = objectStore; }
  // lib.optionalAttrs hasState { GRADIENT_STATE_FILE = toString (if cfg.validateState then checkedState else stateFile); }
  // shared.settingEnvironment settings cfg.settings
  // shared.settingEnvironment accounts.email cfg.email
  // shared.settingEnvironment accounts.oidc cfg.oidc
  // lib.listToAttrs (map (secret: lib.nameValuePair secret.env "%d/${secret.name}") given);
in
{
  options.services.gradient-coordinator = import ./coordinator-options.nix { inherit lib pkgs shared settings accounts state; };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.hasPrefix "/var/lib/" cfg.baseDir;
        message = "services.gradient-coordinator.baseDir: ${cfg.baseDir} does not lie below /var/lib.";
      }
      {
        assertion = !(cfg.reverseProxy.nginx.enable && cfg.reverseProxy.caddy.enable);
        message = "services.gradient-coordinator.reverseProxy: nginx and caddy are both enabled.";
      }
      {
        assertion = cfg.s3.enable -> cfg.s3.bucket != null;
        message = "services.gradient-coordinator.s3: set bucket.";
      }
    ];

    systemd.services.gradient-coordinator = shared.toService units.coordinator {
      ExecStart = "${cfg.packages.server}/bin/gradient-coordinator serve";
      StateDirectory = lib.removePrefix "/var/lib/" cfg.baseDir;
      WorkingDirectory = cfg.baseDir;
      LoadCredential =
        map (secret: "${secret.name}:${toString secret.file}") given
        ++ lib.mapAttrsToList (name: file: "${name}:${toString file}") (state.secretFiles cfg.state);
    }
    // { inherit environment; };

    users = {
      users.gradient-coordinator = {
        isSystemUser = true;
        group = "gradient-coordinator";
        home = cfg.baseDir;
      };
      groups.gradient-coordinator = { };
    };

    environment.systemPackages = [ cfg.packages.server ];

    services.nginx = lib.mkIf cfg.reverseProxy.nginx.enable {
      enable = true;
      appendHttpConfig = proxies.nginxMap;
      virtualHosts.${cfg.domain} = {
        enableACME = cfg.useTls && cfg.reverseProxy.nginx.manageTls;
        forceSSL = cfg.useTls && cfg.reverseProxy.nginx.manageTls;
        locations."/".extraConfig = proxies.nginxLocation address;
      };
    };

    services.caddy = lib.mkIf cfg.reverseProxy.caddy.enable {
      enable = true;
      virtualHosts.${cfg.domain} = {
        useACMEHost = cfg.reverseProxy.caddy.useACMEHost;
        extraConfig = proxies.caddyProxy address + cfg.reverseProxy.caddy.extraConfig;
      };
    };
  };
}
