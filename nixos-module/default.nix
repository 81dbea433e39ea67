{
  imports = [ ./coordinator.nix ./worker.nix ./deploy.nix ];
}
