/**
 * The one file that reaches for what Node, Bun and Deno have and browsers do not. Nothing is imported, so that bundlers find nothing
 * to fail on: it is looked up when it is needed, and a runtime without it is a failure that says so.
 *
 * @module
 */
import * as Effect from "effect/Effect"

interface Process {
  readonly getBuiltinModule?: ((name: string) => unknown) | undefined
  readonly platform?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly getuid?: (() => number) | undefined
}

const process = (): Process | undefined => (globalThis as { readonly process?: Process }).process

/** A module of the runtime's own, or what is missing. Node has the way to it since 20.16 and 22.3. */
const builtin = <Module>(name: string): Effect.Effect<Module, string> =>
  Effect.suspend(() => {
    try {
      const module = process()?.getBuiltinModule?.(name)
      if (module !== undefined) return Effect.succeed(module as Module)
    } catch {
      // A runtime that has the function and refuses is one that has no such module.
    }
    return Effect.fail(`this needs Node 20.16 or newer, Bun or Deno (there is no module ${name} here)`)
  })

/** `linux`, `darwin`, `win32` and so on. */
export const platform = (): string => process()?.platform ?? "unknown"

/** The environment; empty where it may not be read. */
export const environment = (): Readonly<Record<string, string>> => {
  try {
    const entries = Object.entries(process()?.env ?? {})
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
  } catch {
    return {}
  }
}

interface Timers {
  /** Deno's own return a number, as a browser's do: to that nothing can be said. */
  readonly setTimeout: (then: () => void, millis: number) => number | { readonly unref: () => unknown }
  readonly clearTimeout: (timer: any) => void
}

/** A pause of real time during which the program may end, where the runtime can do that. */
export const pause = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.orElseSucceed(builtin<Timers>("timers"), () => globalThis as unknown as Timers),
    (timers) =>
      Effect.async((resume) => {
        const timer = timers.setTimeout(() => resume(Effect.void), millis)
        if (typeof timer === "object") timer.unref()
        return Effect.sync(() => timers.clearTimeout(timer))
      })
  )

/** A connection. */
export interface Socket {
  readonly on: (event: "connect" | "data" | "end" | "close" | "error", listener: (argument: any) => void) => unknown
  readonly off: (event: "data" | "end" | "close" | "error", listener: (argument: any) => void) => unknown
  readonly write: (bytes: Uint8Array) => unknown
  readonly end: (bytes: Uint8Array) => unknown
  readonly destroy: () => unknown
  /** Lets the program end although this is open. */
  readonly unref: () => unknown
}

/** A server. */
export interface Server {
  readonly on: ((event: "error", listener: (error: { readonly code?: string }) => void) => unknown) &
    ((event: "listening", listener: () => void) => unknown)
  /** Whether it listens, which may be known before it is told. */
  readonly listening: boolean
  readonly listen: (
    options:
      | { readonly host: string; readonly port: number; readonly exclusive: true; readonly ipv6Only: boolean }
      | { readonly path: string; readonly exclusive: true; readonly backlog: number },
    listening?: () => void
  ) => unknown
  readonly address: () => { readonly port: number } | string | null
  readonly close: (closed?: () => void) => unknown
  /** Lets the program end although this is open. */
  readonly unref: () => unknown
}

/** TCP, Unix-domain sockets and named pipes. */
export interface Net {
  readonly createServer: (options: { readonly allowHalfOpen: boolean }, connected: (socket: Socket) => void) => Server
  readonly connect: (options: { readonly path: string }) => Socket
}

export const net: Effect.Effect<Net, string> = builtin<Net>("net")

/** A Unix-domain socket that Deno listens on, by its own means: programs that it starts inherit those of its `node:net`, and would keep them. */
export interface DenoListener {
  readonly accept: () => Promise<DenoConnection>
  readonly close: () => void
  readonly unref: () => void
}

/** A connection of Deno's own. */
export interface DenoConnection {
  readonly read: (into: Uint8Array) => Promise<number | null>
  readonly close: () => void
  readonly unref: () => void
}

interface Deno {
  readonly listen?: ((options: { readonly transport: "unix"; readonly path: string }) => DenoListener) | undefined
}

/** Listens by Deno's own means; undefined where they are not to be had or not needed. */
export const denoListen = (): ((path: string) => DenoListener) | undefined => {
  const listen = (globalThis as { readonly Deno?: Deno }).Deno?.listen
  return listen === undefined || platform() === "win32" ? undefined : (path) => listen({ transport: "unix", path })
}

/** A program that was started. */
export interface Child {
  readonly once: (event: "error" | "exit", listener: (argument: any) => void) => unknown
  readonly unref: () => void
}

/** Programs. */
export interface ChildProcess {
  readonly spawn: (
    program: string,
    args: ReadonlyArray<string>,
    options: {
      readonly env: Readonly<Record<string, string>>
      readonly stdio: "ignore"
      readonly detached: true
      readonly shell: false
      readonly windowsHide: true
    }
  ) => Child
}

export const childProcess: Effect.Effect<ChildProcess, string> = builtin<ChildProcess>("child_process")

/** What the system knows about a file. */
export interface Stats {
  readonly size: number
  readonly mtimeMs: number
  readonly ino: number
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly isFile: () => boolean
  readonly isDirectory: () => boolean
  readonly isSymbolicLink: () => boolean
}

/** What can be asked of the file system. A number in the place of a path is an open file, and none in that of a position is where the last one ended. */
export interface FileCalls {
  readonly open: (path: string, flags: number, mode: number) => number
  readonly read: (file: number, into: Uint8Array, offset: number, length: number, position: null) => number
  readonly write: (file: number, from: Uint8Array, offset: number, length: number, position: null) => number
  readonly fstat: (file: number) => Stats
  readonly fchmod: (file: number, mode: number) => void
  readonly fchown: (file: number, uid: number, gid: number) => void
  readonly fsync: (file: number) => void
  readonly close: (file: number) => void
  /** An error is made with the stack that it comes from, which takes ten times as long as to look. By a thread it is one all the same. */
  readonly lstat: (path: string, options: { readonly throwIfNoEntry: false }) => Stats | undefined
  readonly readdir: (path: string) => ReadonlyArray<string>
  readonly mkdir: (path: string, options: { readonly mode: number }) => void
  readonly rmdir: (path: string) => void
  readonly lchown: (path: string, uid: number, gid: number) => void
  readonly rename: (from: string, to: string) => void
  readonly unlink: (path: string) => void
  readonly symlink: (target: string, path: string) => void
  readonly readlink: (path: string) => string
  readonly chmod: (path: string, mode: number) => void
  readonly statfs: (path: string) => { readonly type: number }
}

/** Watches a directory until it is closed. */
export interface Watcher {
  readonly on: (event: "error", listener: (error: unknown) => void) => unknown
  readonly close: () => void
  /** Lets the program end although this is open: to Deno `persistent` says nothing. */
  readonly unref: () => unknown
}

/** Each call in two ways: at once, or in a thread that tells when it is done. */
type BothWays<Calls extends Record<keyof Calls, (...args: any) => unknown>> = {
  readonly [Name in keyof Calls & string as `${Name}Sync`]: Calls[Name]
} & {
  readonly [Name in keyof Calls]: (
    ...args: [...Parameters<Calls[Name]>, done: (error: unknown, result: ReturnType<Calls[Name]>) => void]
  ) => void
}

/** Files. */
export interface Files extends BothWays<FileCalls> {
  readonly constants: Readonly<Record<string, number | undefined>>
  readonly watch: (
    path: string,
    options: { readonly persistent: false },
    listener: (event: string, name: string | null) => void
  ) => Watcher
}

/** Names of files. */
export interface Paths {
  readonly dirname: (path: string) => string
  readonly join: (...parts: ReadonlyArray<string>) => string
}

export const paths: Effect.Effect<Paths, string> = builtin<Paths>("path")

export const files: Effect.Effect<Files, string> = builtin<Files>("fs")

/** Where temporary files lie. */
export const temporaryDirectory: Effect.Effect<string, string> = Effect.map(
  builtin<{ readonly tmpdir: () => string }>("os"),
  (os) => os.tmpdir()
)

/** Who runs this program; undefined where the system has no such numbers. Deno does not tell everybody. */
export const uid: Effect.Effect<number | undefined, string> = Effect.try({
  try: () => process()?.getuid?.(),
  catch: () => "the program may not know who runs it: run it with Deno's --allow-sys=uid"
})
