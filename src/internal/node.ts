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

/** A TCP connection. */
export interface Socket {
  readonly on: (event: "data" | "end" | "close" | "error", listener: (argument: any) => void) => unknown
  readonly off: (event: "data" | "end" | "close" | "error", listener: (argument: any) => void) => unknown
  readonly end: (bytes: Uint8Array) => unknown
  readonly destroy: () => unknown
}

/** A TCP server. */
export interface Server {
  readonly on: (event: "error", listener: (error: { readonly code?: string }) => void) => unknown
  readonly listen: (
    options: { readonly host: string; readonly port: number; readonly exclusive: true; readonly ipv6Only: boolean },
    listening: () => void
  ) => unknown
  readonly address: () => { readonly port: number } | string | null
  readonly close: (closed: () => void) => unknown
}

/** TCP. */
export interface Net {
  readonly createServer: (options: { readonly allowHalfOpen: true }, connected: (socket: Socket) => void) => Server
}

export const net: Effect.Effect<Net, string> = builtin<Net>("net")

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
