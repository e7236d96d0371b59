/** What we use of dockerode, which comes without types. The shapes are those of Docker's Engine API. */
declare module "dockerode" {
  import type { Readable, Writable } from "node:stream";

  type Labels = { readonly [name: string]: string };
  /** As in `docker ps --filter`. */
  interface Listing {
    readonly all?: boolean;
    readonly filters: { readonly label: readonly string[] };
  }

  namespace Docker {
    interface ContainerOptions {
      readonly name: string;
      readonly Image: string;
      readonly Entrypoint: readonly string[];
      readonly Cmd: readonly string[];
      readonly Env?: readonly string[];
      readonly Labels: Labels;
      readonly HostConfig: {
        readonly NetworkMode: string;
        readonly Binds?: readonly string[];
        readonly CapDrop?: readonly string[];
        readonly CapAdd?: readonly string[];
        readonly Sysctls?: { readonly [name: string]: string };
      };
      readonly NetworkingConfig?: {
        readonly EndpointsConfig: {
          readonly [network: string]: { readonly IPAMConfig: { readonly IPv4Address: string } };
        };
      };
    }

    interface Container {
      readonly id: string;
      attach(options: { stream: true; stdout: true; stderr: true }): Promise<Readable>;
      start(): Promise<unknown>;
      kill(): Promise<unknown>;
      /** Asks it to end, and kills it `t` seconds later. */
      stop(options: { readonly t: number }): Promise<unknown>;
      pause(): Promise<unknown>;
      unpause(): Promise<unknown>;
      /** Resolves when it does not run any more. */
      wait(): Promise<{ readonly StatusCode: number }>;
      inspect(): Promise<{ readonly State: { readonly Pid: number; readonly Paused: boolean } }>;
      exec(options: {
        readonly Cmd: readonly string[];
        readonly AttachStdout: true;
        readonly AttachStderr: true;
      }): Promise<Exec>;
      /** A tar file of a directory. */
      getArchive(options: { readonly path: string }): Promise<Readable>;
      remove(options: { readonly force: boolean }): Promise<unknown>;
    }

    interface Exec {
      start(options: object): Promise<Readable>;
      inspect(): Promise<{ readonly ExitCode: number }>;
    }

    interface Found {
      readonly Id: string;
      readonly Image: string;
      readonly Labels: Labels;
    }

    interface FoundNetwork {
      readonly Id: string;
      readonly Labels: Labels;
    }

    interface FoundVolume {
      readonly Name: string;
      readonly Labels: Labels;
    }
  }

  class Docker {
    readonly modem: {
      demuxStream(stream: Readable, stdout: Writable, stderr: Writable): void;
      followProgress(
        stream: Readable,
        done: (error: Error | null, steps: readonly { readonly error?: string }[]) => void,
      ): void;
    };

    version(): Promise<{ readonly Version: string }>;
    info(): Promise<{ readonly Name: string; readonly KernelVersion: string }>;
    createContainer(options: Docker.ContainerOptions): Promise<Docker.Container>;
    getContainer(id: string): Docker.Container;
    listContainers(options: Listing): Promise<readonly Docker.Found[]>;
    createNetwork(options: {
      readonly Name: string;
      readonly Driver: "bridge";
      readonly Internal: true;
      readonly Labels: Labels;
      readonly IPAM: { readonly Config: readonly [{ readonly Subnet: string; readonly Gateway: string }] };
    }): Promise<unknown>;
    getNetwork(id: string): { remove(): Promise<unknown> };
    listNetworks(options: Listing): Promise<readonly Docker.FoundNetwork[]>;
    createVolume(options: { readonly Name: string; readonly Labels: Labels }): Promise<unknown>;
    getVolume(name: string): { remove(): Promise<unknown> };
    listVolumes(options: Listing): Promise<{ readonly Volumes: readonly Docker.FoundVolume[] | null }>;
    getImage(name: string): { inspect(): Promise<{ readonly Id: string }> };
    pull(name: string): Promise<Readable>;
    buildImage(
      context: { readonly context: string; readonly src: readonly string[] },
      options: { readonly t: string; readonly buildargs: { readonly [name: string]: string } },
    ): Promise<Readable>;
    importImage(
      tar: Readable,
      options: { readonly repo: string; readonly tag: string; readonly changes: string },
    ): Promise<Readable>;
  }
  export default Docker;
}
