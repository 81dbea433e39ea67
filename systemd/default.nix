# Text of the files beside this one, from what the NixOS modules use: `npm run units` writes them.
let
  units = import ../nixos-module/units.nix;
  proxies = import ../nixos-module/reverse-proxy.nix;

  valueText = value: if builtins.isBool value then (if value then "true" else "false") else toString value;
  lines = name: value:
    if builtins.isList value then builtins.concatMap (lines name) value else [ "${name}=${valueText value}" ];
  section = name: settings:
    builtins.concatStringsSep "\n"
      ([ "[${name}]" ] ++ builtins.concatLists (builtins.attrValues (builtins.mapAttrs lines settings)));

  unit = { unit, service }: extra: ''
    # Made from nixos-module/units.nix, which says why the lines are there. Settings belong into
    # ${extra.EnvironmentFile}, changes into a drop-in (systemctl edit).
    ${section "Unit" unit}

    ${section "Service" (service // extra)}

    [Install]
    WantedBy=multi-user.target
  '';
in
{
  "gradient-coordinator.service" = unit units.coordinator {
    EnvironmentFile = "/etc/gradient/coordinator.env";
    Environment = [ "GRADIENT_BASE_PATH=%S/gradient" ];
    ExecStart = "/opt/gradient/node_modules/.bin/gradient-coordinator serve";
  };

  "gradient-worker.service" = unit units.worker {
    EnvironmentFile = "/etc/gradient/worker.env";
    Environment = [
      "GRADIENT_WORKER_DATA_DIR=%S/gradient-worker"
      "GRADIENT_WORKER_PEERS_FILE=%d/peers"
      "HOME=%S/gradient-worker"
      "TMPDIR=%C/gradient-worker"
      "XDG_CACHE_HOME=%C/gradient-worker"
    ];
    LoadCredential = [ "peers:/etc/gradient/peers" ];
    ExecStart = "/opt/gradient/node_modules/.bin/gradient-worker run";
  };

  # /etc/sysusers.d/gradient.conf
  "gradient-sysusers.conf" = ''
    # The user of gradient-coordinator.service.
    u gradient-coordinator - "Gradient coordinator" /var/lib/gradient
  '';

  # /etc/systemd/system/gradient-worker.service.d/before-254.conf
  "gradient-worker-before-254.conf" = ''
    # For systemd before 254, as Debian 12 has it: a service whose builds have control groups cannot be started beside them there, so
    # a restart gives them a minute to finish, and what is not done is built again.
    [Service]
    KillMode=mixed
    KillSignal=SIGTERM
    TimeoutStopSec=90
  '';

  "nginx.conf" = proxies.nginxSite "farm.example.org" "127.0.0.1:3000";
  "Caddyfile" = proxies.caddySite "farm.example.org" "127.0.0.1:3000";
}
