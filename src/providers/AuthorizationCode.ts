/**
 * A person who logs in with the browser on this machine (RFC 8252): for command-line and desktop programs.
 *
 * The browser opens, the person logs in, the browser comes back to a port of this machine that only the login knows, and the program goes on. Renewals
 * spend the refresh token where the server issued one; a browser never opens from the background. Where there is no browser, use `DeviceAuthorization`; a web server
 * that owns the redirect uses {@link start} and {@link exchangeCode} of this module.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const Api = AuthenticatedHttpClient.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(AuthorizationCode.layer({
 *     issuer: "https://id.example.com",
 *     clientId: "my-tool",
 *     scope: ["openid", "offline_access"]
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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Authorization from "../Authorization.ts"
import type * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import {
  InvalidOption,
  type MissingCredentials,
  type PartialCredentials,
  RefreshError,
  type RefreshErrorReason
} from "../CredentialsError.ts"
import * as IdToken from "../IdToken.ts"
import * as Browser from "../internal/browser.ts"
import { own } from "../internal/own.ts"
import type * as Page from "../internal/page.ts"
import * as Pkce from "../internal/pkce.ts"
import * as Redirect from "../internal/redirect.ts"
import * as Jwt from "../Jwt.ts"
import * as AuthorizationRequest from "../protocol/AuthorizationRequest.ts"
import * as Grant from "../protocol/Grant.ts"
import type { ServerMetadata } from "../protocol/ServerMetadata.ts"
import * as Provider from "../Provider.ts"
import type { Token } from "../Token.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"

const name = "AuthorizationCode"

/**
 * Where the person logs in, who the client is and what it asks for. The server is found by its `issuer`, or given as a `server` with an
 * `authorization_endpoint`.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerOptions = Exclude<TokenEndpoint.Server, { readonly tokenEndpoint: string }> &
  ClientAuthentication.Client &
  TokenEndpoint.Settings &
  IdToken.LoginOptions &
  AuthorizationRequest.Wishes & {
    /**
     * Whether the login's parameters are left at the server before the browser opens (RFC 9126), so that nobody on the way sees or changes them. Default: where the
     * server says that it wants nothing else. Such an address soon expires: a person who has to open it by hand is shown another one then.
     */
    readonly pushed?: boolean | undefined
  }

/**
 * How the person is asked, and where the browser comes back to.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginOptions<out R = never> {
  /**
   * The port of this machine that the browser comes back to. 0: any that is free, which servers must allow for programs like this (RFC 8252 §7.3); another one if
   * the server wants to know it. Default: 0.
   */
  readonly redirectPort?: number | undefined
  /**
   * What the redirect URI calls this machine: `"localhost"` for servers that want exactly that. Default: `"127.0.0.1"`, or `"[::1]"` on a machine that has
   * nothing else.
   */
  readonly redirectHost?: "127.0.0.1" | "[::1]" | "localhost" | undefined
  /** The path of the redirect URI: empty, or beginning with a slash. Default: `/callback`. */
  readonly redirectPath?: string | undefined
  /**
   * Opens the address in a browser: an Effect, or a function that may return a promise; if it fails, the person is told to do it. `false`: nobody does.
   * Default: the system's browser, where there is a display.
   */
  readonly open?: ((url: string) => Effect.Effect<unknown, unknown, R> | Promise<unknown> | void) | false | undefined
  /** Tells the person something: a few lines of text, with the address. Default: prints it to standard error. */
  readonly show?: ((text: string) => Effect.Effect<unknown, never, R>) | undefined
  /**
   * Reads the address that the browser ended at, if it is on another machine and could not come back: a line from the terminal, mostly. Run when no
   * browser could be opened, and again after something that is not the answer; if it fails, the login is cancelled. Default: nothing is read.
   */
  readonly paste?: Effect.Effect<string, unknown, R> | undefined
  /** How long the person may take. Default: 5 minutes. */
  readonly loginTimeLimit?: Duration.DurationInput | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization.Authorization | undefined
}

/**
 * Where the person logs in, what the client asks for, and how.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<R = never> = ServerOptions & LoginOptions<R>

/**
 * A provider that logs a person in.
 *
 * **Details** – the listener stands before the browser opens, on 127.0.0.1 and ::1 only. Every login has a state, a PKCE verifier (`S256`) and, with the scope `openid`, a
 * nonce of its own, 256 random bits each. Requests that are not the answer (another path, method, host or state) are answered and ignored. When the login is over, however it
 * ends, port and sockets are gone; so they are when it is interrupted.
 *
 * With `openid` the ID token is verified, as `IdToken.LoginOptions` says, before anybody sees a token: of this login (nonce), and in a renewal of the same person. Somebody else
 * is `WrongUser`.
 *
 * Whoever logs in is not in the key for stores, only `loginHint` and `expected` are: where several people do, give `Provider.persisted` a key for each.
 *
 * A login that is denied, or takes too long, is `Interaction`; so is one that is needed where no person may be asked. The code is offered once: if the answer is lost, that is
 * `Ambiguous`. A port that is in use, and a runtime without sockets (browsers, Node before 20.16), are `Source`.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import { Duration } from "effect"
 *
 * const provider = AuthorizationCode.make({
 *   issuer: "https://id.example.com",
 *   clientId: "my-tool",
 *   redirectPort: 53000,
 *   redirectHost: "localhost",
 *   loginTimeLimit: "10 minutes"
 * })
 * console.log(Duration.toMinutes(provider.timeLimit) > 10)
 * // true
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8252>
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(given: Options<R>): Provider.Provider<R | HttpClient> => {
  const options = own(given)
  const needed = refused({ _tag: "Interaction", kind: "Forbidden" })
  const loginTimeLimit = Duration.decode(options.loginTimeLimit ?? fiveMinutes)
  // The server of the options in place of however they name it: its metadata and keys are fetched once for all logins.
  const { server } = TokenEndpoint.make(name, options)
  const all = { ...options, issuer: undefined, server }
  const verifier = IdToken.ofLogin(all)
  return Provider.fromEndpoint<R>(
    name,
    all,
    (need, endpoint) =>
      need.interaction === "forbidden"
        ? needed
        : Effect.scoped(logIn({ endpoint, options, verifier, previous: need.previous }, loginTimeLimit)),
    {
      subject: options.loginHint,
      expected: options.expected,
      verifier,
      // The login has a limit of its own; this one is for everything.
      timeLimit: Duration.sum(
        loginTimeLimit,
        Duration.sum(Duration.decode(options.timeLimit ?? "30 seconds"), "15 seconds")
      ),
      check: Effect.zipRight(check(options, loginTimeLimit), IdToken.checkLogin(name, all))
    }
  )
}

const fiveMinutes = "5 minutes"

const refused = (reason: RefreshErrorReason): RefreshError => new RefreshError({ provider: name, reason })

const check = (options: Options<any>, loginTimeLimit: Duration.Duration): Effect.Effect<void, InvalidOption> =>
  Effect.gen(function* () {
    const invalid = (option: string, expected: string) => new InvalidOption({ provider: name, option, expected })
    const wrong = AuthorizationRequest.check(name, options)
    if (Option.isSome(wrong)) return yield* wrong.value
    const port = options.redirectPort ?? 0
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      return yield* invalid("redirectPort", "a port number, at most 65535, or 0 for any that is free")
    }
    if (!/^(\/[\w\-.~!$&'()*+,;=:@%/]*)?$/.test(options.redirectPath ?? "")) {
      return yield* invalid("redirectPath", "empty, or a path that begins with a slash, without query and fragment")
    }
    const limit = Duration.toMillis(loginTimeLimit)
    if (!(limit > 0 && limit <= longest))
      return yield* invalid("loginTimeLimit", "more than nothing, and at most a day")
  })

const longest = /* @__PURE__ */ Duration.toMillis("1 day")

/** Everything that a login is about. */
interface Context<O> {
  readonly endpoint: TokenEndpoint.TokenEndpoint
  readonly options: O
  readonly verifier: IdToken.Verifier | undefined
  /** What was held before, if the login takes the place of another. */
  readonly previous: Option.Option<Token>
}

const logIn = <R>(
  context: Context<Options<R>>,
  timeLimit: Duration.Duration
): Effect.Effect<Token, RefreshError, R | HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { endpoint, options, verifier } = context
    // Nobody logs in for nothing because the keys are not to be had.
    if (verifier !== undefined) yield* Effect.mapError(verifier.prepare, ({ reason }) => refused(reason))
    const redirect = yield* Effect.mapError(
      Redirect.listen({
        port: options.redirectPort ?? 0,
        host: options.redirectHost,
        path: options.redirectPath ?? "/callback"
      }),
      (failure) =>
        refused({
          _tag: "Source",
          description:
            failure._tag === "Unavailable"
              ? `the login cannot listen for its answer: ${failure.description}`
              : `port ${failure.port}, which the login needs, is in use: end the program that has it, or set redirectPort to 0 for any free port`
        })
    )
    const begun = yield* Effect.mapError(begin(endpoint, options, redirect.uri), (error) =>
      error._tag === "RefreshError" ? error : refused({ _tag: "InvalidResponse", description: error.message })
    )
    const { login } = begun
    const decode = yield* decoder(endpoint, login)
    const answered = redirect.expect((target) => final(decode(target)))
    const answer = yield* Effect.raceFirst(answered, ask(options, begun, decode)).pipe(
      Effect.timeoutFail({
        duration: timeLimit,
        onTimeout: () => refused({ _tag: "Interaction", kind: "TimedOut" })
      })
    )
    // The page that the browser waits for says how it really ended.
    const exit = yield* Effect.exit(redeem(context, login, answer))
    yield* redirect.show(pageOf(exit))
    return yield* exit
  })

/** What ends the login. */
type Final = Exclude<AuthorizationRequest.Answer, { readonly _tag: "Stray" }>

const final = (answer: AuthorizationRequest.Answer): Option.Option<Final> =>
  answer._tag === "Stray" ? Option.none() : Option.some(answer)

/** Sends the person to the server; comes back only with an answer that was pasted, or if the person gave up. */
const ask = <R>(
  options: Options<R>,
  { again, login }: Begun,
  decode: (callback: string) => AuthorizationRequest.Answer
): Effect.Effect<Final, RefreshError, R | HttpClient> =>
  Effect.gen(function* () {
    const { open = Browser.open, paste, show = Console.error } = options
    yield* show(
      open === false
        ? `To log in, open this address in a browser:\n\n  ${login.url}\n`
        : `Your browser opens for the login. If it does not, open this address:\n\n  ${login.url}\n`
    )
    if (open !== false) {
      const problem = yield* Effect.flip(Effect.zipRight(Browser.openBy(open, login.url), Effect.never))
      yield* show(`No browser could be opened (${problem}): please open the address yourself.`)
    }
    // Whoever opens it by hand may be slow.
    const shownAgain = Effect.flatMap(again, (url) => show(`That address has expired. Open this one:\n\n  ${url}\n`))
    return yield* Effect.raceFirst(
      paste === undefined ? Effect.never : pasted(paste, show, login, decode),
      Effect.zipRight(Effect.ignore(Effect.forever(shownAgain)), Effect.never)
    )
  })

const pasted = <R>(
  paste: Effect.Effect<string, unknown, R>,
  show: (text: string) => Effect.Effect<unknown, never, R>,
  { redirectUri }: Login,
  decode: (callback: string) => AuthorizationRequest.Answer
): Effect.Effect<Final, RefreshError, R> =>
  Effect.gen(function* () {
    yield* show(
      `If that browser is on another machine it will end at an address that it cannot reach, ${redirectUri}…\nPaste that address here:`
    )
    while (true) {
      const line = yield* Effect.orElseFail(paste, () => refused({ _tag: "Interaction", kind: "Cancelled" }))
      const answer = decode(line)
      if (answer._tag !== "Stray") return answer
      yield* show(`That is not the answer to this login (${answer.description}). Paste the whole address:`)
    }
  })

/** The page for the browser. The error's own words never hold a secret. */
const pageOf = (exit: Exit.Exit<Token, RefreshError>): Page.Page => {
  if (Exit.isSuccess(exit)) {
    return { isGood: true, title: "You are logged in", text: "You can close this tab and go back to the program." }
  }
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  const failed = { isGood: false, title: "The login failed", text: "The program that asked for it knows more." }
  if (error === undefined) return failed
  return error.reason._tag === "Interaction" && error.reason.kind === "Denied"
    ? { ...failed, title: "The login was denied", text: error.reason.description ?? "You can close this tab." }
    : { ...failed, text: error.message.slice(name.length + 2) }
}

/**
 * A login that has begun, for programs that own the redirect themselves: send the browser to `url`, and keep the rest for when it comes back.
 *
 * Use each once. The schema of the same name is for a session store: it writes the secrets in the clear, so nobody but the server may read what is stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login {
  /** Where to send the browser; soon, if it was pushed: servers forget such an address after a minute or so. */
  readonly url: string
  /** Where it comes back to. */
  readonly redirectUri: string
  /** What the browser must bring back. */
  readonly state: Redacted.Redacted
  /** What proves to the token endpoint that the login is ours (RFC 7636). */
  readonly verifier: Redacted.Redacted
  /** What the ID token must repeat. None: no `openid` was asked for. */
  readonly nonce: Option.Option<Redacted.Redacted>
}

/**
 * How a {@link Login} looks as JSON. It holds secrets.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginEncoded {
  /** Where to send the browser. */
  readonly url: string
  /** Where it comes back to. */
  readonly redirectUri: string
  /** What the browser must bring back. */
  readonly state: string
  /** What proves to the token endpoint that the login is ours. */
  readonly verifier: string
  /** What the ID token must repeat. */
  readonly nonce?: string
}

/**
 * The schema of a {@link Login}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Login: Schema.Schema<Login, LoginEncoded> = Schema.Struct({
  url: Schema.String,
  redirectUri: Schema.String,
  state: Schema.Redacted(Schema.String),
  verifier: Schema.Redacted(Schema.String),
  nonce: Schema.optionalWith(Schema.Redacted(Schema.String), { as: "Option", exact: true })
})

/**
 * Begins a login whose redirect is yours: a route of a web server, or the link that a mobile app is registered for.
 *
 * **Details** – state, PKCE verifier and, with the scope `openid`, nonce are fresh, 256 random bits each. Bind the result to the browser's session, so
 * that only the browser that began a login can end it. Fails with `InvalidOption` for what cannot work, with a `RefreshError` if the server's metadata cannot be had or
 * has no `authorization_endpoint`.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
 * const web = { issuer: id.issuer, clientId: "shop", scope: ["read"], redirectUri: "https://shop.example/callback" }
 * const login = await Effect.runPromise(Effect.provide(AuthorizationCode.start(web), id.layer))
 * console.log(new URL(login.url).searchParams.get("code_challenge_method"), String(login.verifier))
 * // S256 <redacted>
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const start = (
  options: ServerOptions & {
    /** Where the browser comes back to: exactly as it is registered at the server. */
    readonly redirectUri: string
  }
): Effect.Effect<Login, InvalidOption | RefreshError, HttpClient> =>
  Effect.map(begin(TokenEndpoint.make(name, options), options, options.redirectUri), ({ login }) => login)

interface Begun {
  readonly login: Login
  /** Waits until the login's address has expired, and gives another: never, if it was not pushed. */
  readonly again: Effect.Effect<string, RefreshError, HttpClient>
}

const begin = (
  endpoint: TokenEndpoint.TokenEndpoint,
  options: ServerOptions,
  redirectUri: string
): Effect.Effect<Begun, InvalidOption | RefreshError, HttpClient> =>
  Effect.gen(function* () {
    const metadata = yield* metadataOf(endpoint)
    const { authorization_endpoint: authorizationEndpoint } = metadata
    if (authorizationEndpoint === undefined) {
      return yield* refused({
        _tag: "InvalidResponse",
        description: "the server's metadata has no authorization_endpoint, so nobody can log in there"
      })
    }
    const state = yield* Pkce.secret
    const verifier = yield* Pkce.secret
    const nonce = options.scope?.includes("openid") === true ? Option.some(yield* Pkce.secret) : Option.none()
    const challenge = yield* Pkce.challenge(verifier)
    const proof = endpoint.settings.authorization?.proof
    const keyThumbprint =
      proof === undefined
        ? undefined
        : yield* Effect.mapError(proof.thumbprint, (description) => refused({ _tag: "Assertion", description }))
    const url = yield* Either.mapLeft(
      AuthorizationRequest.url({
        authorizationEndpoint,
        clientId: options.clientId,
        redirectUri,
        state,
        challenge,
        nonce: Option.getOrUndefined(nonce),
        scope: options.scope,
        audience: options.audience,
        resource: options.resource,
        prompt: options.prompt,
        loginHint: options.loginHint,
        parameters: options.parameters,
        keyThumbprint
      }),
      ({ expected, option }) => new InvalidOption({ provider: name, option, expected })
    )
    const kept = { redirectUri, state, verifier, nonce }
    const isPushed = options.pushed ?? metadata.require_pushed_authorization_requests === true
    if (!isPushed) return { login: { url, ...kept }, again: Effect.never }
    const push = TokenEndpoint.pushAuthorization(endpoint, url)
    let latest = yield* push
    return {
      login: { url: latest.url, ...kept },
      again: Effect.suspend(() => Effect.delay(push, latest.expiresIn)).pipe(Effect.map((next) => (latest = next).url))
    }
  })

const metadataOf = (endpoint: TokenEndpoint.TokenEndpoint): Effect.Effect<ServerMetadata, RefreshError, HttpClient> =>
  Effect.mapError(endpoint.server.metadata, ({ reason }) => refused(reason))

const decoder = (
  endpoint: TokenEndpoint.TokenEndpoint,
  { state }: Login
): Effect.Effect<(callback: string) => AuthorizationRequest.Answer, RefreshError, HttpClient> =>
  Effect.map(metadataOf(endpoint), (metadata) => {
    const isIssuerSent = metadata.authorization_response_iss_parameter_supported === true
    return (callback) => AuthorizationRequest.decode(callback, { state, issuer: endpoint.server.issuer, isIssuerSent })
  })

/**
 * Ends a login that {@link start} began: trades what the browser brought back for a token. `callback` is the URL that was asked for, or its path and query.
 *
 * **Details** – state and issuer (RFC 9207) are checked before anything is sent, the ID token afterwards, if the scope has `openid`. Make the `server` (`AuthorizationServer.discover`) and
 * the verifier (`idToken`) once for all logins, and neither metadata nor keys are fetched for each. The code is offered once: a lost answer is `Ambiguous`,
 * and the login has to be begun again. A denied login is `Interaction`.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const id = Testing.authorizationServer({ metadata: { authorization_endpoint: "https://id.test/authorize" } })
 * const web = { issuer: id.issuer, clientId: "shop", redirectUri: "https://shop.example/callback" }
 * const program = Effect.gen(function*() {
 *   const login = yield* AuthorizationCode.start(web)
 *   return yield* AuthorizationCode.exchangeCode(web, login, "/callback?code=SplxlOBe&state=guessed")
 * })
 * const error = await Effect.runPromise(Effect.flip(Effect.provide(program, id.layer)))
 * console.log(error.message)
 * // AuthorizationCode: the answer is unusable: its state is not that of this login
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const exchangeCode = (
  options: ServerOptions,
  login: Login,
  callback: string
): Effect.Effect<Token, RefreshError, HttpClient> =>
  Effect.gen(function* () {
    const endpoint = TokenEndpoint.make(name, options)
    const decode = yield* decoder(endpoint, login)
    const answer = decode(callback)
    if (answer._tag === "Stray") return yield* refused({ _tag: "InvalidResponse", description: answer.description })
    const verifier = IdToken.ofLogin({ ...options, server: endpoint.server })
    return yield* redeem({ endpoint, options, verifier, previous: Option.none() }, login, answer)
  })

const redeem = (
  { endpoint, options: { resource, scope }, previous, verifier }: Context<ServerOptions>,
  { nonce, redirectUri, verifier: codeVerifier }: Login,
  answer: Final
): Effect.Effect<Token, RefreshError, HttpClient> => {
  if (answer._tag === "Failed") return refused(answer.reason)
  const exchanged = TokenEndpoint.exchange(
    endpoint,
    // Scope and audience went with the person; a resource goes with both (RFC 8707 §2.2).
    Grant.make(
      "authorization_code",
      { code: answer.code, redirect_uri: redirectUri, code_verifier: codeVerifier },
      { resource }
    ),
    { requestedScope: scope }
  )
  return verifier === undefined
    ? Effect.filterOrFail(
        exchanged,
        ({ idToken }) => Option.isNone(nonce) || Option.isNone(idToken) || says(idToken.value, nonce.value),
        () => refused({ _tag: "InvalidResponse", description: "its ID token is not for this login (nonce)" })
      )
    : IdToken.verifying(exchanged, verifier, {
        provider: name,
        previous,
        nonce: Option.getOrUndefined(nonce),
        isLogin: true
      })
}

/** Whether an ID token, which came from the token endpoint itself, repeats the nonce. */
const says = (idToken: Redacted.Redacted, nonce: Redacted.Redacted): boolean =>
  Either.match(Jwt.decode(idToken), {
    onLeft: () => false,
    onRight: ({ claims }) => Equal.equals(Redacted.make(claims["nonce"]), nonce)
  })

/**
 * Credentials of a person who logs in when the first token is needed. Fails with `InvalidOption` if an option cannot work, before anything opens.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const id = Testing.authorizationServer()
 * const CredentialsLive = AuthorizationCode.layer({ issuer: id.issuer, clientId: "my-tool", redirectPort: 70_000 })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, id.layer)))))
 * console.log(error.message)
 * // AuthorizationCode: option redirectPort must be a port number, at most 65535, or 0 for any that is free
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, Name extends string = "default">(
  options: Options<R>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, R | HttpClient> => Credentials.layer(make(options), engine)

/**
 * Where the settings are found. A token endpoint alone is not enough for a login: the issuer is asked where people log in.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions = Omit<Provider.GrantConfig, "tokenEndpoint">

/**
 * The options that never come from configuration.
 *
 * @category models
 * @since 0.1.0
 */
export type RestOptions<R = never> = LoginOptions<R> &
  TokenEndpoint.Settings &
  Pick<ServerOptions, "resource" | "prompt" | "loginHint" | "parameters" | "pushed" | "idToken" | "expected"> &
  Pick<Provider.GrantRest, "authentication">

/**
 * A provider from configuration: by default the environment variables `ISSUER`, `CLIENT_ID` and, if set, `CLIENT_SECRET` and `SCOPE`. Everything else is an option.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "my-tool"]]))
 * const provider = Effect.withConfigProvider(AuthorizationCode.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // AuthorizationCode is half configured: CLIENT_ID is set, ISSUER is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <R = never>(
  config?: ConfigOptions,
  options?: RestOptions<R>
): Effect.Effect<Provider.Provider<R | HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<object, R | HttpClient>(name, (found) => make({ ...found, ...options } as Options<R>), {
    settings: {},
    isPublic: true,
    config: { ...config, issuer: config?.issuer ?? Config.string("ISSUER") },
    options: options?.authentication === undefined ? {} : { authentication: options.authentication }
  })

/**
 * Credentials from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = AuthorizationCode.layerConfig({ clientId: Config.string("MY_CLIENT_ID") }, { prompt: "select_account" })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <R = never, Name extends string = "default">(
  config?: ConfigOptions,
  options?: RestOptions<R> & Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, R | HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
