/**
 * Opens an address in the system's browser. It goes to the program as one argument, no shell ever sees it, and on Windows no command
 * line is put together: an authorization server that is somebody else's chooses the address.
 *
 * @module
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Node from "./node.ts"

/** A program, and what stands before the address. */
type Opener = readonly [program: string, ...args: ReadonlyArray<string>]

/** Programs that may open it, best first; none where nobody could see a browser. */
const openers = (platform: string, env: Readonly<Record<string, string>>): ReadonlyArray<Opener> => {
  const rundll = ["rundll32.exe", "url.dll,FileProtocolHandler"] as const
  switch (platform) {
    case "darwin":
      return [["/usr/bin/open"]]
    case "win32":
      // By its full path: Windows would look in the current directory first.
      return [[`${env["SystemRoot"] ?? "C:\\Windows"}\\System32\\${rundll[0]}`, rundll[1]]]
    default: {
      // Editors and containers that reach a browser elsewhere say so here. A command line with arguments is nothing for us.
      const own = env["BROWSER"] ?? ""
      const isWindowsBelow = env["WSL_DISTRO_NAME"] !== undefined
      return [
        ...(/^[^\s%:]+$/.test(own) ? [[own] as const] : []),
        ...(isWindowsBelow ? [["wslview"] as const, [`/mnt/c/Windows/System32/${rundll[0]}`, rundll[1]] as const] : []),
        ...(["DISPLAY", "WAYLAND_DISPLAY"].some((name) => env[name]) ? [["xdg-open"] as const] : [])
      ]
    }
  }
}

/** How callers may open an address: an Effect, or a function that may return a promise. */
export type Opening<R> = (url: string) => Effect.Effect<unknown, unknown, R> | Promise<unknown> | void

/** Opens an address as the caller says; fails with why it cannot, whatever happens in there. */
export const openBy = <R>(opening: Opening<R>, address: string): Effect.Effect<void, string, R> =>
  Effect.suspend((): Effect.Effect<unknown, unknown, R> => {
    const opened = opening(address)
    return Effect.isEffect(opened) ? opened : Effect.promise(() => Promise.resolve(opened))
  }).pipe(
    Effect.asVoid,
    Effect.catchAllCause((cause) =>
      Effect.fail(Option.getOrElse(Option.filter(Cause.failureOption(cause), Predicate.isString), () => "it failed"))
    )
  )

/** What a browser does not need to know. */
const isSecret = (name: string): boolean => /secret|token|passw|credential|private|api_?key/i.test(name)

/** An opener that has not failed by then has opened something, or is the browser itself. */
const decision = "3 seconds"

/** Fails, with the reason, where there is no browser. Who opened it is left alone afterwards: it may be the browser. */
export const open = (address: string): Effect.Effect<void, string> =>
  Effect.gen(function* () {
    const url = URL.canParse(address) ? new URL(address) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol)) return yield* Effect.fail("it is no web address")
    const { spawn } = yield* Node.childProcess
    const env = Node.environment()
    const visible = Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name)))
    const start = ([program, ...args]: Opener): Effect.Effect<void, string> =>
      Effect.async<void, string>((resume) => {
        try {
          const child = spawn(program, [...args, url.href], {
            env: visible,
            stdio: "ignore",
            detached: true,
            shell: false,
            windowsHide: true
          })
          child.once("error", () => resume(Effect.fail(`${program} could not be started`)))
          child.once("exit", (code) => resume(code === 0 ? Effect.void : Effect.fail(`${program} failed`)))
          child.unref()
        } catch {
          resume(Effect.fail(`${program} could not be started`))
        }
      }).pipe(Effect.timeoutOption(decision), Effect.asVoid)
    return yield* openers(Node.platform(), env).reduce<Effect.Effect<void, string>>(
      (failed, opener) => Effect.orElse(failed, () => start(opener)),
      Effect.fail("there is no display")
    )
  })
