/**
 * Tokens that a platform gives to the programs that run on it, to trade for others: no secret to keep, none to rotate.
 *
 * Each is an Effect that reads the token of now, so that one that the platform has replaced is never used: as `subjectToken` of `TokenExchange`, `assertion` of `JwtBearer`, or for
 * `ClientAuthentication.assertion`. For the metadata servers of Google Cloud and Azure, which issue access tokens by themselves, see `GoogleMetadata` and
 * `AzureMetadata`.
 *
 * @example
 * ```ts
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = TokenExchange.layer({
 *   tokenEndpoint: "https://sts.googleapis.com/v1/token",
 *   subjectToken: WorkloadIdentity.gitHubActions({ audience: "https://iam.googleapis.com/projects/1/…" }),
 *   subjectTokenType: "jwt",
 *   audience: "//iam.googleapis.com/projects/1/…",
 *   scope: ["https://www.googleapis.com/auth/cloud-platform"]
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { InvalidOption, RefreshError } from "./CredentialsError.ts"
import * as Http from "./internal/http.ts"
import * as Json from "./internal/json.ts"
import * as Text from "./internal/text.ts"
import * as Url from "./internal/url.ts"
import * as TokenRequest from "./protocol/TokenRequest.ts"
import * as TokenResponse from "./protocol/TokenResponse.ts"
import * as TokenShape from "./protocol/TokenShape.ts"

const name = "WorkloadIdentity"

const failed = (description: string) => new RefreshError({ provider: name, reason: { _tag: "Source", description } })

/** The token in a text that holds nothing else. */
const tokenIn = (text: string, what: string): Effect.Effect<Redacted.Redacted, RefreshError> => {
  const token = text.trim()
  if (token === "") return Effect.fail(failed(`${what} is empty`))
  return Text.isToken(token)
    ? Effect.succeed(Redacted.make(token))
    : Effect.fail(failed(`${what} holds something else than one token`))
}

/** The token in a text, or at a path in JSON. */
const tokenAt = (
  text: string,
  path: string | undefined,
  what: string
): Effect.Effect<Redacted.Redacted, RefreshError> => {
  if (path === undefined) return tokenIn(text, what)
  const token = TokenShape.at(Json.parseObject(text) ?? {}, path)
  return typeof token === "string" ? tokenIn(token, what) : Effect.fail(failed(`${what} has no ${path}`))
}

/**
 * A token in a file that the platform writes anew from time to time: a projected service account token of Kubernetes.
 *
 * @example
 * ```ts
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * const token = WorkloadIdentity.file("/no/such/file").pipe(Effect.provide(NodeFileSystem.layer))
 * console.log((await Effect.runPromise(Effect.flip(token))).message)
 * // WorkloadIdentity: the token file /no/such/file is not there: check the path, and that it is mounted
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const file = (
  path: string,
  options?: {
    /** Where the token is in a file of JSON: a member's name or a path such as `credentials.token`. Default: the whole file is the token. */
    readonly path?: string | undefined
  }
): Effect.Effect<Redacted.Redacted, RefreshError, FileSystem.FileSystem> => {
  const what = `the token file ${Text.printable(path, 256)}`
  return Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)).pipe(
    Effect.mapError((error) =>
      failed(
        error._tag === "SystemError" && error.reason === "NotFound"
          ? `${what} is not there: check the path, and that it is mounted`
          : `${what} cannot be read: check its permissions`
      )
    ),
    Effect.flatMap((text) => tokenAt(text, options?.path, what))
  )
}

/**
 * A question to a server of the platform.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  /** Where it is asked, as a GET: https; http only on this machine and in private networks. */
  readonly url: string
  /** Headers that the server wants. Default: none. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** How long one attempt may take; there are up to three. Default: 5 seconds. */
  readonly timeLimit?: Duration.DurationInput | undefined
}

/** Servers this near answer soon, or are not there. */
const twice = /* @__PURE__ */ (() =>
  Schedule.intersect(Schedule.jittered(Schedule.exponential("500 millis")), Schedule.recurs(2)))()

/**
 * The answer of a server of the platform, whatever it holds: for sources and providers of your own.
 *
 * **Details** – redirects are not followed, nothing is traced, answers over 1 MiB are refused, and whatever trying again may help is tried three times. Errors speak of `provider`.
 *
 * @example
 * ```ts
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const answer = WorkloadIdentity.ask("Mine", { url: "http://example.com/token" }).pipe(Effect.provide(FetchHttpClient.layer))
 * console.log((await Effect.runPromise(Effect.flip(answer))).reason._tag)
 * // Source
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const ask = (
  provider: string,
  question: Question
): Effect.Effect<TokenResponse.Answer, RefreshError, HttpClient> => {
  const refuse = (reason: RefreshError["reason"]) => new RefreshError({ provider, reason })
  const timeLimit = Duration.decode(question.timeLimit ?? "5 seconds")
  const url = Url.endpoint(question.url, true)
  if (url === undefined || (url.protocol === "http:" && !Url.isLocal(url.hostname))) {
    return Effect.fail(
      refuse({ _tag: "Source", description: `the address to ask must be ${Url.expected}, or in a private network` })
    )
  }
  const asked = Object.entries(question.headers ?? {})
  // Also without the scheme word: `Bearer`.
  const secrets = asked.flatMap(([, value]) =>
    Redacted.isRedacted(value) ? [value, Redacted.make(Redacted.value(value).split(" ").at(-1)!)] : []
  )
  const isEchoed = (text: string) => TokenRequest.isEchoed({ headers: [], params: [], secrets }, text)
  const headers = Object.fromEntries([
    ["accept", "application/json, text/plain"],
    ...asked.map(([name, value]) => [name.toLowerCase(), Redacted.isRedacted(value) ? Redacted.value(value) : value])
  ])
  return Http.send({ method: "GET", url: question.url, headers }).pipe(
    Effect.mapError((failure) =>
      refuse(
        failure._tag === "Refused"
          ? { _tag: "InvalidResponse", description: failure.description, status: failure.status }
          : { _tag: "Transport", description: failure.description }
      )
    ),
    Effect.timeoutFail({ duration: timeLimit, onTimeout: () => refuse({ _tag: "Timeout", after: timeLimit }) }),
    Effect.filterOrFail(
      ({ status }) => status < 300,
      (answer) => refuse(TokenResponse.failureOf({ ...answer, isEchoed }))
    ),
    Effect.retry({ while: (error) => error.isRetryable, schedule: twice })
  )
}

/**
 * A metadata server: near, without a secret, and quick to answer if it is there at all.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetadataServer {
  /** Fails if its address or the time limit cannot work, before anything is sent. */
  readonly check: Effect.Effect<void, InvalidOption>
  /** How long all attempts and the pauses between them may take. */
  readonly timeLimit: Duration.Duration
  /** What it answers at a path with its query, as {@link ask} says. */
  readonly ask: (
    path: string,
    headers: Readonly<Record<string, string>>
  ) => Effect.Effect<TokenResponse.Answer, RefreshError, HttpClient>
}

/**
 * The metadata server of a cloud, for providers of your own: those of Google Cloud and Azure are `GoogleMetadata` and `AzureMetadata`.
 *
 * @example
 * ```ts
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { Effect } from "effect"
 *
 * const server = WorkloadIdentity.metadataServer("Mine", { origin: "http://metadata.example.com" })
 * console.log(Effect.runSync(Effect.flip(server.check)).option)
 * // origin
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const metadataServer = (
  provider: string,
  options: {
    /** Where it is: on this machine or in a private network. */
    readonly origin: string
    /** How long one attempt may take; there are up to three. At most a minute. Default: 5 seconds. */
    readonly timeLimit?: Duration.DurationInput | undefined
  }
): MetadataServer => {
  const { origin } = options
  const timeLimit = Duration.decode(options.timeLimit ?? "5 seconds")
  const at = Url.endpoint(origin, true)
  const invalid = (option: string, expected: string) => Effect.fail(new InvalidOption({ provider, option, expected }))
  return {
    check: Effect.suspend(() => {
      if (at === undefined || at.href !== `${at.origin}/` || !Url.isLocal(at.hostname)) {
        return invalid("origin", "an origin on this machine or in a private network, such as http://169.254.169.254")
      }
      const limit = Duration.toMillis(timeLimit)
      return limit > 0 && limit <= 60_000
        ? Effect.void
        : invalid("timeLimit", "more than nothing, and at most a minute")
    }),
    timeLimit: Duration.sum(Duration.times(timeLimit, 3), "5 seconds"),
    ask: (path, headers) => ask(provider, { url: `${at?.origin ?? origin}${path}`, headers, timeLimit })
  }
}

/**
 * A token that a server of the platform hands out.
 *
 * @example
 * ```ts
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { Effect } from "effect"
 *
 * const token = WorkloadIdentity.url({ url: "http://169.254.169.254/token", path: "credentials.token" })
 * console.log(Effect.isEffect(token))
 * // true
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const url = (
  question: Question & {
    /** Where the token is in a JSON answer: a member's name or a path such as `credentials.token`. Default: the whole answer is the token. */
    readonly path?: string | undefined
  }
): Effect.Effect<Redacted.Redacted, RefreshError, HttpClient> =>
  Effect.flatMap(ask(name, question), ({ body }) =>
    tokenAt(body, question.path, `the answer of ${Text.printable(new URL(question.url).host, 256)}`)
  )

/**
 * The OpenID Connect token of a job of GitHub Actions, which needs the permission `id-token: write`.
 *
 * **Details** – the runner says where to ask in `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, which are read through `Config` whenever a token is
 * needed. Such a token lives for 5 minutes.
 *
 * @example
 * ```ts
 * import * as WorkloadIdentity from "effect-credentials/WorkloadIdentity"
 * import { FetchHttpClient } from "@effect/platform"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const elsewhere = WorkloadIdentity.gitHubActions({ audience: "sts.example.com" }).pipe(
 *   Effect.withConfigProvider(ConfigProvider.fromMap(new Map())), Effect.provide(FetchHttpClient.layer))
 * console.log((await Effect.runPromise(Effect.flip(elsewhere))).message)
 * // WorkloadIdentity: ACTIONS_ID_TOKEN_REQUEST_URL is not set: run it in GitHub Actions, in a job with the permission id-token: write
 * ```
 *
 * @see <https://docs.github.com/actions/reference/security/oidc>
 * @category sources
 * @since 0.1.0
 */
export const gitHubActions = (options?: {
  /** Whom the token is for. Default: the URL of the repository's owner. */
  readonly audience?: string | undefined
}): Effect.Effect<Redacted.Redacted, RefreshError, HttpClient> =>
  Effect.gen(function* () {
    const setting = <A>(variable: string, config: Config.Config<A>, isBlank: (value: A) => boolean) =>
      Effect.filterOrFail(
        Effect.mapError(config, () => unset(variable)),
        (value) => !isBlank(value),
        () => unset(variable)
      )
    const unset = (variable: string) =>
      failed(`${variable} is not set: run it in GitHub Actions, in a job with the permission id-token: write`)
    const at = yield* setting(requestUrl, Config.string(requestUrl), Text.isBlank)
    const token = yield* setting(requestToken, Config.redacted(requestToken), (token) =>
      Text.isBlank(Redacted.value(token))
    )
    const audience =
      options?.audience === undefined
        ? ""
        : `${at.includes("?") ? "&" : "?"}${new URLSearchParams([["audience", options.audience]])}`
    return yield* url({
      url: at + audience,
      headers: { authorization: Redacted.make(`Bearer ${Redacted.value(token)}`) },
      path: "value"
    })
  })

const requestUrl = "ACTIONS_ID_TOKEN_REQUEST_URL"
const requestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
