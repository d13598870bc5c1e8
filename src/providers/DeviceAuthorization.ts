/**
 * A person who logs in with a second device (RFC 8628): for command lines on servers, in containers and wherever else no browser opens. The program
 * shows an address and a short code, the person enters it on a phone or laptop.
 *
 * On a machine with a browser, a login in that browser is more comfortable. The person is asked when the first token is needed; with a refresh token
 * (`offline_access`, in many servers) not again, and with `Provider.persisted` not at the next start either.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const Api = AuthenticatedHttpClient.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(DeviceAuthorization.layer({
 *     issuer: "https://id.example.com",
 *     clientId: "my-tool",
 *     scope: ["read", "offline_access"]
 *   })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * console.log(Layer.isLayer(Api))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AuthorizationServer } from "../AuthorizationServer.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials, RefreshError } from "../CredentialsError.ts"
import * as IdToken from "../IdToken.ts"
import * as Browser from "../internal/browser.ts"
import { own } from "../internal/own.ts"
import * as Countdown from "../internal/countdown.ts"
import * as Terminal from "../internal/terminal.ts"
import * as Url from "../internal/url.ts"
import * as DeviceFlow from "../protocol/DeviceFlow.ts"
import * as Provider from "../Provider.ts"
import type { Token } from "../Token.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"
import { merged } from "../internal/merged.ts"

const name = "DeviceAuthorization"

/**
 * What a person has to know to log in, and how the login is going. No secret is in it: the device code stays inside.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login {
  /** What to type in. Show it even where `verificationUriComplete` is used: the person compares it (RFC 8628 §3.3.1). */
  readonly userCode: string
  /** Where to type it in: an http or https URL. */
  readonly verificationUri: string
  /** The same with the code in it, for a link or a QR code. None: the server has none. */
  readonly verificationUriComplete: Option.Option<string>
  /** When the code expires. */
  readonly expiresAt: DateTime.Utc
  /** What happens from now on. Ends with `Done` or `Failed`; who comes late hears at least of the latest. */
  readonly progress: Stream.Stream<Progress>
}

/**
 * How a login is going.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress =
  /** Once a second: nobody has decided yet, and this much time is left. */
  | { readonly _tag: "Waiting"; readonly left: Duration.Duration }
  /** The server wants to be asked less often. */
  | { readonly _tag: "SlowedDown"; readonly interval: Duration.Duration }
  /** The server was not reached or cannot answer now; it is asked again. */
  | { readonly _tag: "Unanswered"; readonly retryIn: Duration.Duration }
  /** The person has approved. */
  | { readonly _tag: "Done" }
  /** There will be no token, and why; also if nobody waits for it any more. */
  | { readonly _tag: "Failed"; readonly error: RefreshError }

/**
 * Where the login takes place, who the client is, what it asks for and how a person is told.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<R = never> = Provider.GrantOptions &
  IdToken.LoginOptions & {
    /**
     * The device authorization endpoint's URL: https, or http on this machine. Needed beside `tokenEndpoint`; otherwise it overrides what the server says of
     * itself. Default: as the server says.
     */
    readonly deviceAuthorizationEndpoint?: string | undefined
    /**
     * Shows the code to the person. It runs beside the login, may end before it, and has one second to end after it. If it fails, the login is cancelled. Default:
     * {@link terminalPrompt}.
     */
    readonly prompt?: ((login: Login) => Effect.Effect<unknown, unknown, R>) | undefined
    /**
     * Opens an http or https address in a browser on this machine, beside the prompt: the address with the code in it, where there is one. A failure is logged and changes
     * nothing. Default: nothing is opened.
     */
    readonly open?: ((url: string) => Effect.Effect<unknown, unknown, R> | Promise<unknown> | void) | undefined
    /** Whether the first poll comes at once instead of after one interval. Default: false. */
    readonly pollAtOnce?: boolean | undefined
  }

/**
 * A provider of tokens for a person who logs in with a second device.
 *
 * **Details** – the refresh token is spent first, where there is one. Only if the server does not take it any more, the login is done again, and only where a person may be
 * asked: in the background it fails with `Interaction`, forbidden, and sends nothing. Polls come after the interval that the server wants,
 * 5 s unless it says so; what each answer means for the next one is in `DeviceFlow.next`. A network that is down does not end the login.
 *
 * With `openid` the ID token is verified, as `IdToken.LoginOptions` says, where the server is known by its issuer; with a `tokenEndpoint` alone it is not looked at. Somebody else than
 * was expected is `WrongUser`.
 *
 * Whoever logs in is not in the key for stores, only `expected` is: where several people do, give `Provider.persisted` a key for each.
 *
 * The time limit is the code's lifetime, by whichever of the wall clock and the monotonic clock saw more of it; `timeLimit` bounds a refresh.
 *
 * @example
 * ```ts
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import { Effect, Stream } from "effect"
 *
 * const provider = DeviceAuthorization.make({
 *   issuer: "https://id.example.com",
 *   clientId: "my-tool",
 *   prompt: (login) =>
 *     Effect.zipRight(
 *       Effect.log(`Enter ${login.userCode} at ${login.verificationUri}`),
 *       Stream.runForEach(login.progress, (progress) => Effect.logDebug(progress._tag))
 *     )
 * })
 * console.log(provider.name)
 * // DeviceAuthorization
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8628>
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(given: Options<R>): Provider.Provider<R | HttpClient> => {
  const options = own(given)
  // The server of the options with all its endpoints, in place of however they name it.
  const all = { ...options, tokenEndpoint: undefined, issuer: undefined, server: serverOf(options) }
  const verifier = IdToken.ofLogin(all)
  return Provider.fromEndpoint<R>(name, all, (need, endpoint) => logIn(endpoint, options, need, verifier), {
    expected: options.expected,
    verifier,
    timeLimit: Duration.infinity,
    check: IdToken.checkLogin(name, all)
  })
}

/** The server of the options, with the device authorization endpoint that they name. */
const serverOf = (options: Provider.GrantOptions & { readonly deviceAuthorizationEndpoint?: string | undefined }) => {
  const { server } = TokenEndpoint.make(name, options)
  const url = options.deviceAuthorizationEndpoint
  if (url === undefined && options.tokenEndpoint === undefined) return server
  const isUsable = url !== undefined && Url.endpoint(url) !== undefined
  const expected = url === undefined ? "given where the server is known by its tokenEndpoint" : Url.expected
  const usable: AuthorizationServer = {
    id: server.id,
    issuer: server.issuer,
    metadata: isUsable
      ? Effect.map(server.metadata, (metadata) => ({ ...metadata, device_authorization_endpoint: url }))
      : Effect.fail(
          refuse({ _tag: "InvalidResponse", description: `the device authorization endpoint has to be ${expected}` })
        ),
    check: (provider) =>
      Effect.zipRight(
        server.check(provider),
        isUsable
          ? Effect.void
          : Effect.fail(new InvalidOption({ provider, option: "deviceAuthorizationEndpoint", expected }))
      )
  }
  return usable
}

const refuse = (reason: RefreshError["reason"]): RefreshError => new RefreshError({ provider: name, reason })

const logIn = <R>(
  endpoint: TokenEndpoint.TokenEndpoint,
  options: Options<R>,
  need: Provider.Need,
  verifier: IdToken.Verifier | undefined
): Effect.Effect<Token, RefreshError, R | HttpClient> =>
  Effect.gen(function* () {
    if (need.interaction === "forbidden") return yield* refuse({ _tag: "Interaction", kind: "Forbidden" })
    // Nobody logs in for nothing because the keys are not to be had.
    if (verifier !== undefined) yield* Effect.mapError(verifier.prepare, ({ reason }) => refuse(reason))
    const codes = yield* TokenEndpoint.authorizeDevice(endpoint, options)
    const timer = yield* Countdown.start(codes.expiresIn)
    const happened = yield* PubSub.unbounded<Progress>({ replay: 1 })
    const login: Login = {
      userCode: codes.userCode,
      verificationUri: codes.verificationUri,
      verificationUriComplete: codes.verificationUriComplete,
      expiresAt: DateTime.addDuration(yield* DateTime.now, codes.expiresIn),
      progress: merged(
        Stream.fromPubSub(happened),
        Stream.repeatEffectWithSchedule(
          Effect.map(timer.left, (left): Progress => ({ _tag: "Waiting", left })),
          Schedule.spaced("1 second")
        )
      ).pipe(Stream.takeUntil(({ _tag }) => _tag === "Done" || _tag === "Failed"))
    }
    const tell = (progress: Progress) => PubSub.publish(happened, progress)

    const poll = Effect.gen(function* () {
      let polling = DeviceFlow.start(codes.interval, options)
      while (true) {
        yield* timer.sleep(polling.wait)
        if (Duration.equals(yield* timer.left, Duration.zero)) return yield* refuse(DeviceFlow.expired(polling))
        const answer = yield* Effect.either(TokenEndpoint.pollDevice(endpoint, codes.deviceCode, options.scope))
        if (Either.isRight(answer)) return answer.right
        const outcome = answer.left._tag === "RefreshError" ? answer.left.reason : answer.left
        polling = yield* Either.mapLeft(DeviceFlow.next(polling, outcome), refuse)
        if (outcome._tag === "SlowDown") yield* tell({ _tag: "SlowedDown", interval: polling.interval })
        else if (outcome._tag !== "Pending") yield* tell({ _tag: "Unanswered", retryIn: polling.wait })
      }
    })

    const show = yield* Effect.forkScoped((options.prompt ?? terminalPrompt())(login))
    if (options.open !== undefined) {
      const address = Option.getOrElse(codes.verificationUriComplete, () => codes.verificationUri)
      yield* Browser.openBy(options.open, address).pipe(
        Effect.catchAll(() => Effect.logDebug("no browser was opened for the login")),
        Effect.forkScoped
      )
    }
    const cancelled = Effect.flatMap(
      Fiber.await(show),
      Exit.match({
        onSuccess: () => Effect.never,
        onFailure: (cause) =>
          Cause.isDie(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.fail(refuse({ _tag: "Interaction", kind: "Cancelled" }))
      })
    )
    const verified =
      verifier === undefined
        ? poll
        : IdToken.verifying(poll, verifier, { provider: name, previous: need.previous, isLogin: true })
    const exit = yield* Effect.raceFirst(verified, cancelled).pipe(
      Effect.onInterrupt(() => tell({ _tag: "Failed", error: refuse({ _tag: "Interaction", kind: "Cancelled" }) })),
      Effect.exit
    )
    yield* tell(
      Exit.match(exit, {
        onSuccess: (): Progress => ({ _tag: "Done" }),
        onFailure: (cause): Progress => ({
          _tag: "Failed",
          error: Option.getOrElse(Cause.failureOption(cause), () =>
            refuse({ _tag: "Source", description: "the prompt failed unexpectedly" })
          )
        })
      })
    )
    yield* Effect.timeoutOption(Fiber.await(show), "1 second")
    return yield* exit
  }).pipe(Effect.scoped)

const clock = (left: Duration.Duration): string => {
  const seconds = Math.ceil(Duration.toSeconds(left))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}

/**
 * A prompt for terminals: the address, the code and the time that is left. It writes to standard error, so that what the program prints stays its own.
 *
 * **Details** – the time is counted down where standard error is a terminal; elsewhere it is said once. Lines go through Effect's `Console`.
 *
 * @example
 * ```ts
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import { Effect } from "effect"
 *
 * const provider = DeviceAuthorization.make({
 *   issuer: "https://id.example.com",
 *   clientId: "my-tool",
 *   prompt: DeviceAuthorization.terminalPrompt(),
 *   open: (url) => Effect.log(`a browser would open ${url}`)
 * })
 * console.log(provider.name)
 * // DeviceAuthorization
 * ```
 *
 * @category prompts
 * @since 0.1.0
 */
export const terminalPrompt =
  (options?: {
    /**
     * Draws a QR code of an address as lines of text, as `renderUnicodeCompact` of the package `uqr` does: it is shown where the server has an address with the code in it.
     * Default: none is drawn.
     */
    readonly qrCode?: ((url: string) => string) | undefined
  }): ((login: Login) => Effect.Effect<void>) =>
  ({ expiresAt, progress, userCode, verificationUri, verificationUriComplete }) =>
    Effect.gen(function* () {
      const isLive = yield* Terminal.isLive
      const say = (line: string) => Effect.zipRight(Terminal.rewrite(""), Console.error(line))
      yield* say(`\nTo log in, open       ${verificationUri}`)
      yield* say(`and enter the code    ${isLive ? `\x1b[1m${userCode}\x1b[22m` : userCode}\n`)
      if (Option.isSome(verificationUriComplete)) {
        const url = verificationUriComplete.value
        yield* say(`or open               ${url}\n`)
        const draw = options?.qrCode
        // A picture that cannot be drawn is no reason not to log in.
        if (draw !== undefined)
          yield* Effect.ignore(
            Effect.flatMap(
              Effect.try(() => `${draw(url)}\n`),
              say
            )
          )
      }
      const left = DateTime.distanceDuration(yield* DateTime.now, expiresAt)
      if (!isLive) yield* say(`Waiting for you, ${clock(left)} left`)
      yield* Stream.runForEach(progress, (progress) => {
        switch (progress._tag) {
          case "Waiting":
            return Terminal.rewrite(`Waiting for you, ${clock(progress.left)} left `)
          case "Unanswered":
            return say(`No answer from the server, trying again in ${clock(progress.retryIn)}`)
          case "Done":
            return say("Logged in")
          case "SlowedDown":
          case "Failed":
            return Effect.void
        }
      }).pipe(Effect.ensuring(Terminal.rewrite("")))
    })

/**
 * Credentials of a person who logs in with a second device when the first token is needed. Fails with `InvalidOption` if an option cannot work, before anything
 * is sent.
 *
 * @example
 * ```ts
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = DeviceAuthorization.layer({ tokenEndpoint: server.tokenEndpoint.url, clientId: "my-tool" })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.message)
 * // DeviceAuthorization: option deviceAuthorizationEndpoint must be given where the server is known by its tokenEndpoint
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, Name extends string = "default">(
  options: Options<R>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient | Exclude<R, Scope.Scope>> =>
  Credentials.layer(make(options), engine)

/**
 * Where the settings are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Provider.GrantConfig {
  /** The device authorization endpoint's URL; may be absent where `issuer` is given. Default: `DEVICE_AUTHORIZATION_URL`. */
  readonly deviceAuthorizationEndpoint?: Config.Config<string> | undefined
}

/**
 * The options that never come from configuration.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigRest<R = never> = Provider.GrantRest &
  Pick<Options<R>, "open" | "pollAtOnce" | "prompt" | "idToken" | "expected">

/**
 * A provider from configuration: by default the environment variables `ISSUER`, or `TOKEN_URL` and `DEVICE_AUTHORIZATION_URL`, `CLIENT_ID` and, if set, `CLIENT_SECRET` and
 * `SCOPE`. Everything else is an option.
 *
 * @example
 * ```ts
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "my-tool"]]))
 * const provider = Effect.withConfigProvider(DeviceAuthorization.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // DeviceAuthorization is half configured: CLIENT_ID is set, TOKEN_URL or ISSUER is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <R = never>(
  config?: ConfigOptions,
  options?: ConfigRest<R>
): Effect.Effect<Provider.Provider<R | HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<{ readonly deviceAuthorizationEndpoint: string | undefined }, R | HttpClient>(
    name,
    // The rest of the options passes through.
    (found) => make<R>(found),
    {
      settings: {
        deviceAuthorizationEndpoint: Config.withDefault(
          config?.deviceAuthorizationEndpoint ?? Config.string("DEVICE_AUTHORIZATION_URL"),
          undefined
        )
      },
      isPublic: true,
      config,
      options
    }
  )

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as DeviceAuthorization from "effect-credentials/DeviceAuthorization"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = DeviceAuthorization.layerConfig({
 *   issuer: Config.succeed("https://id.example.com"),
 *   clientId: Config.string("MY_TOOL_CLIENT")
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <R = never, Name extends string = "default">(
  config?: ConfigOptions,
  options?: ConfigRest<R> & Credentials.LayerOptions<Name>
): Layer.Layer<
  Credentials.Id<Name>,
  MissingCredentials | PartialCredentials | InvalidOption,
  HttpClient | Exclude<R, Scope.Scope>
> => Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
