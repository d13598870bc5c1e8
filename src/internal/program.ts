/**
 * A program that is run for what it prints: without a shell, with nothing to read, and without anything left of it when nobody waits any longer.
 *
 * @module
 */
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Lock from "./lock.ts"
import * as Node from "./node.ts"
import * as Text from "./text.ts"

/** What to run. */
export interface Program {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Which variables of our own environment it sees beside `PATH` and `HOME`. Default: all. */
  readonly inherit?: "all" | ReadonlyArray<string> | undefined
  /** Variables over the inherited ones. */
  readonly variables: Readonly<Record<string, string>>
  readonly workingDirectory?: string | undefined
  /** What to tell whoever does not have it. */
  readonly installHint?: string | undefined
}

/** Why it printed nothing that counts. */
export interface Failure {
  /** One sentence, without secrets. */
  readonly description: string
  /** `Busy`: others of its kind were in its way. `LoginNeeded`: it says that a person has to log in. */
  readonly kind: "Broken" | "Busy" | "LoginNeeded"
}

/** Nothing that we want is longer than this. */
const mostOutput = 1_048_576

/** Of complaints the end is kept. */
const mostComplaint = 65_536

/** How long a program may take to end when it is told to, before it is ended without being asked. */
const grace = "2 seconds"

/** What others hold open after the program itself has ended is not waited for. */
const lingering = "1 second"

/** Programs live in real time, whatever the clock of the fiber is. */
const inRealTime = Effect.withClock(Clock.make())

/** Windows has `C:\` and `\\server`, everybody else `/`. */
export const isAbsolute = (path: string): boolean => /^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path)

/** A `PATH` without the current directory and other places that depend on where one is. */
const safePath = (path: string): string => {
  const separator = Node.platform() === "win32" ? ";" : ":"
  return path.split(separator).filter(isAbsolute).join(separator)
}

const environmentOf = ({ inherit = "all", variables }: Program): Record<string, string> => {
  const all = Object.entries(Node.environment())
  // Windows does not care about the case of a name.
  const key = (name: string) => (Node.platform() === "win32" ? name.toUpperCase() : name)
  const wanted =
    inherit === "all" ? undefined : new Set(["PATH", "HOME", "SYSTEMROOT", "USERPROFILE", ...inherit].map(key))
  const inherited = all.filter(([name]) => wanted === undefined || wanted.has(key(name)))
  return Object.fromEntries(
    [...inherited, ...Object.entries(variables)].map(([name, value]) => [
      name!,
      key(name!) === "PATH" ? safePath(value!) : value!
    ])
  )
}

/** Whether Windows runs it by its shell only. */
export const isWindowsScript = (command: string): boolean => /\.(cmd|bat)$/i.test(command)

/** A word for the shell of Windows; undefined if the shell, or the script it starts, would act upon a part of it even between quotes. */
export const quoted = (word: string): string | undefined =>
  /["%!^&|<>\0\r\n]|\\$/.test(word) ? undefined : `"${word}"`

const commandOf = (program: Program): Command.Command => {
  const needsShell = Node.platform() === "win32" && isWindowsScript(program.command)
  const [first = "", ...rest] = [program.command, ...program.args].map((word) =>
    needsShell ? (quoted(word) ?? '""') : word
  )
  // The shell would look into the current directory first.
  const own = needsShell ? { NoDefaultCurrentDirectoryInExePath: "1" } : {}
  const command = Command.make(first, ...rest).pipe(
    Command.env({ ...environmentOf(program), ...own }, { extendEnv: false }),
    Command.stdin(Stream.empty),
    Command.runInShell(needsShell)
  )
  return program.workingDirectory === undefined ? command : Command.workingDirectory(command, program.workingDirectory)
}

const broken = (description: string): Failure => ({ description, kind: "Broken" })

/** What programs say that would have asked a person: gcloud, az, aws, gh and their like. */
const asksForLogin =
  /\bcannot prompt\b|\breauthentication (?:is )?(?:required|failed)\b|\b(?:run|try|use)\b[:\s$`'"]*(?!the |a |this |another )[\w.-]+ (?:[\w-]+ )?login\b/i

const kindOf = (complaint: string): Failure["kind"] =>
  /database is locked/i.test(complaint) ? "Busy" : asksForLogin.test(complaint) ? "LoginNeeded" : "Broken"

/** The platform's error quotes the whole command: only its kind is told. */
const notStarted = ({ command, installHint }: Program, error: PlatformError): Failure => {
  const program = Text.printable(command, 128)
  if (error.module === "FileSystem") return broken(`the working directory of ${program} cannot be used: check it`)
  switch (error._tag === "SystemError" ? error.reason : "Unknown") {
    case "NotFound":
      return broken(`${program} was not found: ${installHint ?? "install it, or check PATH"}`)
    case "PermissionDenied":
      return broken(`${program} may not be run: check its permissions`)
    default:
      return broken(
        `${program} could not be started: check that it is a program, and that this one may start others (Deno: --allow-run)`
      )
  }
}

/** Ends it and all that it has started: kindly first. */
const end = (process: CommandExecutor.Process): Effect.Effect<void> =>
  Effect.whenEffect(
    Effect.interruptible(process.kill("SIGTERM")).pipe(
      Effect.timeout(grace),
      Effect.ignore,
      Effect.zipRight(Effect.ignore(Effect.timeout(Effect.interruptible(process.kill("SIGKILL")), grace))),
      inRealTime
    ),
    Effect.orElseSucceed(process.isRunning, () => false)
  )

/** Reads all that comes; `keep` decides what stays of it. */
const collect = <E>(
  stream: Stream.Stream<Uint8Array, PlatformError>,
  keep: (chunk: Uint8Array) => Effect.Effect<void, E>
): Effect.Effect<void, E> =>
  Stream.runForEach(
    Stream.catchAll(stream, () => Stream.empty),
    keep
  )

const join = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(chunks.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const turns = Lock.keyed()

/** Waits until nothing else in this process uses the program: many keep logins in files that two of them at a time would spoil. */
export const inTurn = <A, E, R>(command: string, use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  turns(command)(use)

/** What it printed, once it has ended well. */
export const run = (given: Program): Effect.Effect<string, Failure, CommandExecutor.CommandExecutor> => {
  const program = Text.printable(given.command, 128)
  return Effect.scoped(
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      const process = yield* Effect.uninterruptible(
        Effect.tap(
          Effect.mapError(executor.start(commandOf(given)), (error) => notStarted(given, error)),
          (process) => Effect.addFinalizer(() => end(process))
        )
      )
      const printed: Array<Uint8Array> = []
      let size = 0
      let complaint = new Uint8Array()
      const reading = yield* Effect.forkScoped(
        collect(process.stdout, (chunk) => {
          size += chunk.length
          printed.push(chunk)
          return size > mostOutput ? Effect.fail(broken(`${program} printed more than 1 MiB`)) : Effect.void
        })
      )
      const listening = yield* Effect.forkScoped(
        collect(process.stderr, (chunk) =>
          Effect.sync(() => void (complaint = join([complaint, chunk]).slice(-mostComplaint)))
        )
      )
      const code = yield* Effect.raceFirst(
        Effect.option(process.exitCode),
        Effect.zipRight(Fiber.join(reading), Effect.never)
      )
      yield* Fiber.awaitAll([reading, listening]).pipe(Effect.timeout(lingering), Effect.ignore, inRealTime)
      if (size > mostOutput) return yield* Fiber.join(reading).pipe(Effect.as(""))
      if (Option.isNone(code) || code.value !== 0) {
        const complained = new TextDecoder().decode(complaint).trim()
        const said = Text.withoutSecrets(complained.split(/[\r\n]+/).at(-1) ?? "", 256)
        const how = Option.match(code, {
          onNone: () => "was killed",
          onSome: (code) => `failed with exit code ${code}`
        })
        return yield* Effect.fail<Failure>({
          description: `${program} ${how}${said === "" ? "" : ` (${said})`}; run it by hand to see more`,
          kind: kindOf(complained)
        })
      }
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(join(printed))
      } catch {
        return yield* Effect.fail(broken(`${program} printed something that is not UTF-8 text`))
      }
    })
  )
}
