{
  description = "A worker-first Nix build farm: every build measured, three HTTP APIs, one binary cache";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      forSystems = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
      daemons = pkgs: {
        gradient-coordinator = pkgs.callPackage ./nixos-module/package.nix { name = "coordinator"; };
        gradient-worker = pkgs.callPackage ./nixos-module/package.nix { name = "worker"; };
      };
    in
    {
      packages = forSystems (system: daemons nixpkgs.legacyPackages.${system});

      overlays.default = final: _prev: daemons final;

      nixosModules = {
        coordinator.imports = [ ./nixos-module/coordinator.nix ];
        worker.imports = [ ./nixos-module/worker.nix ];
        deploy.imports = [ ./nixos-module/deploy.nix ];
        default.imports = [ ./nixos-module ];
      };

      # The packages start, and a system with all modules comes to units that systemd understands.
      checks = forSystems (system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          inherit (self.packages.${system}) gradient-coordinator gradient-worker;
          machine = lib.nixosSystem {
            inherit system;
            modules = [ self.nixosModules.default ./test/nix/machine.nix ];
          };
          unit = name: machine.config.systemd.units."${name}.service".unit;
        in
        {
          commands = pkgs.runCommand "gradient-commands" { } ''
            ${gradient-coordinator}/bin/gradient-coordinator --version
            ${gradient-worker}/bin/gradient-worker --version
            touch $out
          '';
          units = pkgs.runCommand "gradient-units" { } ''
            for unit in ${unit "gradient-coordinator"} ${unit "gradient-worker"} ${unit "gradient-deploy"}; do
              ${pkgs.systemd}/bin/systemd-analyze verify --man=no $unit/*.service
            done
            touch $out
          '';
        });
    };
}
