# A machine that is everything at once, for `nix flake check`.
{
  boot.isContainer = true;
  system.stateVersion = "25.05";
  networking.hostName = "machine";
  services.gradient-coordinator = {
    enable = true;
    domain = "farm.example.org";
    state.users.alice = { email = "alice@example.org"; password_file = "/run/secrets/alice"; };
  };
  services.gradient-worker = {
    enable = true;
    serverUrl = "wss://farm.example.org";
    peersFile = "/run/secrets/peers";
  };
  system.gradient-deploy = {
    enable = true;
    server = "https://farm.example.org";
    apiKeyFile = "/run/secrets/key";
    project = "acme/machines";
    substituters = [ "https://farm.example.org/cache/main" ];
    trustedPublicKeys = [ "farm.example.org-main-1:AAAA" ];
  };
}
