/**
 * A token that a program prints: `gcloud auth print-access-token`, `az account get-access-token`, a `kubectl` plugin, a script of your own.
 *
 * The program is started without a shell, with nothing on its standard input, and again whenever a token is needed. What it prints on standard output
 * is the token and nothing else; what it prints on standard error is only seen in errors, and there only the last line. A bare token that is no JWT does not say when it
 * expires: set the `defaultLifetime` of the credentials (5 minutes for gcloud).
 *
 * @example
 * ```ts
 * import * as Command from "effect-credentials/Command"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * const CredentialsLive = Command.layer({ command: "echo", args: ["t0ken"] }, { defaultLifetime: "5 minutes" })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * const token = await Effect.runPromise(program.pipe(Effect.provide(CredentialsLive), Effect.provide(NodeContext.layer)))
 * console.log(String(token.accessToken))
 * // <redacted>
 * ```
 *
 * @module
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { Authorization } from "../Authorization.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, RefreshError } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import { own } from "../internal/own.ts"
import * as Program from "../internal/program.ts"
import * as Text from "../internal/text.ts"
import * as TokenResponse from "../protocol/TokenResponse.ts"
import * as TokenShape from "../protocol/TokenShape.ts"
import * as Provider from "../Provider.ts"
import * as Token from "../Token.ts"

const name = "Command"

/**
 * What to run, and how to read what it prints.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The program: a name that is looked for in `PATH`, or an absolute path. On Windows, scripts are named with their ending: `gcloud.cmd`. They are
   * started by the shell there, and so take no argument that it would act upon: no quotes, no `%`.
   */
  readonly command: string
  /**
   * Its arguments, each passed on as it is: no shell looks at them. Everybody on the machine can read them, so no secret belongs here. Default: none.
   */
  readonly args?: ReadonlyArray<string> | undefined
  /**
   * How to read what is printed: `"text"` is the token alone, on one line; `"execCredential"` is what plugins of `kubectl` print; a shape says where a JSON
   * object has its parts, `{}` being that of a token endpoint. Default: `"text"`.
   */
  readonly parse?: "text" | "execCredential" | TokenShape.TokenShape | undefined
  /**
   * Which variables of this program's environment the other one sees: `"all"`, as in a shell, or those named, with `PATH` and `HOME` always among them. Default:
   * `"all"`.
   */
  readonly inherit?: "all" | ReadonlyArray<string> | undefined
  /** Variables of its own, over the inherited ones. `LC_ALL=C`, `NO_COLOR=1` and `CLOUDSDK_CORE_DISABLE_PROMPTS=1` are set unless they are here. Default: none. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Where it runs. Default: where this program does. */
  readonly workingDirectory?: string | undefined
  /**
   * How long it may take, at most an hour from its start; then it is ended, with all that it started. Until others of its name have ended it may wait for an hour
   * more. Default: 30 seconds.
   */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** What to tell the reader if the program is not there: how to install it. Default: nothing. */
  readonly installHint?: string | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

const execInfo = JSON.stringify({
  apiVersion: "client.authentication.k8s.io/v1",
  kind: "ExecCredential",
  spec: { interactive: false }
})

const execShape: TokenShape.TokenShape = { accessToken: "status.token", expiresAt: "status.expirationTimestamp" }

const refuse = (reason: RefreshError["reason"]) => new RefreshError({ provider: name, reason })

const failed = (description: string) => refuse({ _tag: "Source", description })

/** What others of its kind were in the way of works the next time. */
const failureOf = ({ description, kind }: Program.Failure): RefreshError =>
  kind === "LoginNeeded"
    ? refuse({ _tag: "ReauthenticationRequired", subtype: "interaction_required", description })
    : refuse({ _tag: "Source", description, ...(kind === "Busy" ? { isRetryable: true } : {}) })

/** What it printed, once it has ended well. */
const outputOf = (options: Options): Effect.Effect<string, RefreshError, CommandExecutor> =>
  Program.run({
    ...options,
    args: options.args ?? [],
    variables: {
      LC_ALL: "C",
      NO_COLOR: "1",
      CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
      ...(options.parse === "execCredential" ? { KUBERNETES_EXEC_INFO: execInfo } : {}),
      ...options.environment
    }
  }).pipe(Effect.retry({ while: ({ kind }) => kind === "Busy", schedule: onceMore }), Effect.mapError(failureOf))

const onceMore = /* @__PURE__ */ Schedule.intersect(
  Schedule.jittered(Schedule.spaced("500 millis")),
  Schedule.recurs(1)
)

const tokenOf = (
  options: Options,
  output: string,
  requestedAt: DateTime.Utc
): Either.Either<Token.Token, RefreshError> => {
  const { parse = "text" } = options
  const program = Text.printable(options.command, 128)
  const fail = (what: string) => Either.left(failed(`${program} printed ${what}`))
  const text = output.trim()
  if (text === "") return fail("nothing")
  if (parse === "text") {
    return Text.isToken(text)
      ? Either.right(Token.fromAccessToken(Redacted.make(text), requestedAt))
      : fail("something else than one token on one line")
  }
  const members = Json.parseObject(text)
  if (members === undefined) return fail("something else than a JSON object")
  if (
    parse === "execCredential" &&
    !(
      Json.member(members, "kind") === "ExecCredential" &&
      /^client\.authentication\.k8s\.io\/v1(beta1)?$/.test(String(Json.member(members, "apiVersion")))
    )
  ) {
    return fail("something else than an ExecCredential of client.authentication.k8s.io/v1 or v1beta1")
  }
  return Either.mapLeft(
    TokenResponse.decode({
      provider: name,
      status: 200,
      headers: {},
      body: text,
      requestedAt,
      shape: parse === "execCredential" ? execShape : parse
    }),
    ({ reason }) =>
      failed(
        `${program} printed ${reason._tag === "InvalidResponse" ? `no usable token: ${reason.description}` : "an error instead of a token"}`
      )
  )
}

const longest = /* @__PURE__ */ Duration.hours(1)

const problemOf = (options: Options): InvalidOption | undefined => {
  const { args = [], command, environment = {}, inherit = [], installHint = "", parse, workingDirectory } = options
  const invalid = (option: keyof Options, expected: string) => new InvalidOption({ provider: name, option, expected })
  if (
    Text.isBlank(command) ||
    !Text.isPlain(command) ||
    command.startsWith("-") ||
    (/[\\/]/.test(command) && !Program.isAbsolute(command))
  ) {
    return invalid("command", "the name of a program or its absolute path")
  }
  if (Program.isWindowsScript(command) && [command, ...args].some((word) => Program.quoted(word) === undefined)) {
    return invalid(
      Program.quoted(command) === undefined ? "command" : "args",
      'free of " % ! ^ & | < >, line breaks and a backslash at the end, which the shell that runs such scripts would act upon'
    )
  }
  if (args.some((arg) => typeof arg !== "string" || /\0|\p{Cs}/u.test(arg)))
    return invalid("args", "well-formed text without the character NUL")
  const named = [...Object.keys(environment), ...(inherit === "all" ? [] : inherit)]
  if (
    named.some((name) => name === "" || /[=\0]/.test(name)) ||
    Object.values(environment).some((text) => typeof text !== "string" || text.includes("\0"))
  ) {
    return invalid(
      Object.keys(environment).length > 0 ? "environment" : "inherit",
      "made of names without an equals sign, and of text without the character NUL"
    )
  }
  if (workingDirectory !== undefined && (Text.isBlank(workingDirectory) || workingDirectory.includes("\0"))) {
    return invalid("workingDirectory", "a directory")
  }
  const limit = Duration.toMillis(options.timeLimit ?? "30 seconds")
  if (!(limit > 0 && limit <= Duration.toMillis(longest)))
    return invalid("timeLimit", "more than nothing, and at most an hour")
  if (!Text.isPlain(installHint)) return invalid("installHint", "text without line breaks or other controls")
  const shape = typeof parse === "object" ? TokenShape.check(parse) : Option.none()
  return Option.isSome(shape) ? invalid("parse", shape.value) : undefined
}

/**
 * A provider that runs a program.
 *
 * **Details** – the exit code must be 0. Output over 1 MiB, an empty one, and one that is not what `parse` says are errors that do not quote it. When the time is up, or nobody
 * waits any longer, the program and what it has started get SIGTERM, and SIGKILL 2 seconds later. Places in `PATH` that depend on the current directory are not looked into.
 *
 * A program whose complaint says that a person has to log in fails with `ReauthenticationRequired`, on which `Provider.orElse` goes on. In one process a program runs once at a time. One whose database is locked, because
 * somebody else runs it too, is run once more; with `Provider.persisted` one process at a time runs it, and the others take what it brought.
 *
 * @example
 * ```ts
 * import * as Command from "effect-credentials/Command"
 *
 * const azure = Command.make({
 *   command: "az",
 *   args: ["account", "get-access-token", "--output", "json"],
 *   parse: { accessToken: "accessToken", expiresAt: "expires_on" },
 *   installHint: "see https://aka.ms/azure-cli"
 * })
 * console.log(azure.name)
 * // Command
 * ```
 *
 * @see <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options): Provider.Provider<CommandExecutor> => {
  const options = own(given)
  const timeLimit = Duration.decode(options.timeLimit ?? "30 seconds")
  const problem = problemOf(options)
  return Provider.make({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    // From its start, for which it may have to wait until others of its name have ended.
    timeLimit: Duration.sum(timeLimit, longest),
    check: problem === undefined ? Effect.void : Effect.fail(problem),
    acquire: () =>
      Program.inTurn(
        options.command,
        Effect.flatMap(DateTime.now, (startedAt) =>
          outputOf(options).pipe(
            Effect.timeoutFail({
              duration: timeLimit,
              onTimeout: () => refuse({ _tag: "Timeout", after: timeLimit })
            }),
            Effect.flatMap((output) => tokenOf(options, output, startedAt))
          )
        )
      )
  })
}

/**
 * Credentials from a program. Fails with `InvalidOption` if an option cannot work, before anything is run.
 *
 * @example
 * ```ts
 * import * as Command from "effect-credentials/Command"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { NodeContext } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * const CredentialsLive = Command.layer({ command: "no-such-program", installHint: "see https://example.com/install" })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * const error = await Effect.runPromise(Effect.flip(program.pipe(Effect.provide(CredentialsLive), Effect.provide(NodeContext.layer))))
 * console.log(error.message)
 * // Command: no-such-program was not found: see https://example.com/install
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, CommandExecutor> => Credentials.layer(make(options), engine)
