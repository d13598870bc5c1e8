/**
 * How each case of rank MUST could be broken: by taking out what protects, one protection at a time. A sabotage is as small as it can be, and what is left of the
 * sources still type-checks.
 */
import type { Sabotage } from "./sabotage.ts"

/** Every sabotage, by its case. */
export const sabotages: ReadonlyArray<Sabotage> = [
  {
    id: "S001",
    title: "lets fetch follow redirects of API requests",
    file: "src/AuthenticatedHttpClient.ts",
    from: `{ ...init, redirect: "manual" }`,
    to: `{ ...init, redirect: "follow" }`
  },
  {
    id: "S001",
    title: "takes an answer from any origin for that of the API",
    file: "src/AuthenticatedHttpClient.ts",
    from: "(answeredBy !== final.url && listed(resolve(answeredBy, urlOf(final))) === undefined)",
    to: "false"
  },
  {
    id: "S001",
    title: "follows redirects to any origin",
    file: "src/AuthenticatedHttpClient.ts",
    from: "target === undefined || listed(target) === undefined ||",
    to: "target === undefined ||"
  },
  {
    id: "S003",
    title: "lets fetch follow redirects of token requests",
    file: "src/internal/http.ts",
    from: `redirect: "manual"`,
    to: `redirect: "follow"`
  },
  {
    id: "S003",
    title: "reads a redirect as an answer",
    file: "src/internal/http.ts",
    from: "response.status < 200 || (response.status >= 300 && response.status < 400)",
    to: "response.status < 200"
  },
  {
    id: "S010",
    title: "attaches the token to requests to any origin",
    file: "src/AuthenticatedHttpClient.ts",
    from: "origins.has(url.origin) &&",
    to: ""
  },
  {
    id: "S017",
    title: "repeats what a server says, even if it quotes a secret",
    file: "src/protocol/TokenResponse.ts",
    from: `isEchoed(text) ? "withheld, because it quotes a secret" : Text.printable(text, 256)`,
    to: "Text.printable(text, 256)"
  },
  {
    id: "S017",
    title: "quotes the value of a setting that cannot be read",
    file: "src/Provider.ts",
    from: "else return yield* new InvalidOption({ provider: name, option, expected: `of the right form in ${source.name}` })",
    to: "else return yield* new InvalidOption({ provider: name, option, expected: String(value.left) })"
  },
  {
    id: "S018",
    title: "describes a lost request by the request",
    file: "src/internal/http.ts",
    from: `{ _tag: "Lost", description: "the connection was lost" }`,
    to: `{ _tag: "Lost", description: JSON.stringify(error.request) }`
  },
  {
    id: "S018",
    title: "leaves the token in the request that a failed API request holds",
    file: "src/AuthenticatedHttpClient.ts",
    from: "Effect.failCause(withoutHeaders(cause, attempt))",
    to: "Effect.failCause(cause)"
  },
  {
    id: "S039",
    title: "takes every answer with status 200 for a token",
    file: "src/protocol/TokenResponse.ts",
    from: `status >= 200 && status < 300 && (error === undefined || error === "")`,
    to: "status >= 200 && status < 300"
  },
  {
    id: "S040",
    title: "takes any text for an access token",
    file: "src/protocol/TokenResponse.ts",
    from: "return Token.isSendable(token)",
    to: "return token !== undefined"
  },
  {
    id: "S040",
    title: "lets the JSON parser's error out",
    file: "src/internal/json.ts",
    from: "return isObject(value) ? value : undefined\n  } catch {\n    return undefined\n  }",
    to: "return isObject(value) ? value : undefined\n  } catch (error) {\n    throw error\n  }"
  },
  {
    id: "S041",
    title: "reads a number from whatever begins with one",
    file: "src/protocol/TokenResponse.ts",
    from: "/^\\s*-?\\d+(\\.\\d+)?\\s*$/.test(value) ? Number(value) : undefined",
    to: "!Number.isNaN(parseFloat(value)) ? parseFloat(value) : undefined"
  },
  {
    id: "S041",
    title: "believes every lifetime",
    file: "src/protocol/TokenResponse.ts",
    from: "Math.max(0, Math.min(millis, Timing.maxLifetime))",
    to: "millis"
  },
  {
    id: "S065",
    title: "waits for an answer without limit",
    file: "src/TokenEndpoint.ts",
    from: "duration: limit,",
    to: "duration: Duration.infinity,"
  },
  {
    id: "S066",
    title: "reads 64 MiB of an answer",
    file: "src/internal/http.ts",
    from: "const largest = 1_048_576",
    to: "const largest = 67_108_864"
  },
  {
    id: "S071",
    title: "sends a grant again that may have been spent",
    file: "src/TokenEndpoint.ts",
    from: `oneTime ? failed({ _tag: "Ambiguous", description }, false) : failed(reason, true)`,
    to: "failed(reason, description !== undefined)"
  },
  {
    id: "S071",
    title: "lets a client's own retry policy send a grant again",
    file: "src/internal/http.ts",
    from: `sentTo === undefined ? Effect.sync(() => void (sentTo = request.url)) : Effect.fail({ _tag: "Repeated" })`,
    to: "Effect.sync(() => void (sentTo = request.url))"
  },
  {
    id: "S071",
    title: "takes a connection that broke off for one that was never made",
    file: "src/internal/neverSent.ts",
    from: `(syscall === "connect" ? connecting.get(code) : undefined)`,
    to: "(syscall === undefined ? undefined : connecting.get(code))"
  },
  {
    id: "S084",
    title: "joins client id and secret as they are",
    file: "src/protocol/TokenRequest.ts",
    from: "options?.raw === true ? (text: string) => text : formEncoded",
    to: "(text: string) => text"
  },
  {
    id: "S104",
    title: "interrupts the acquisition with the caller who came first",
    file: "src/Credentials.ts",
    from: "const { landing } = this.launch(",
    to: "const { fiber, landing } = this.launch(",
    also: [
      {
        file: "src/Credentials.ts",
        from: "return Effect.flatMap(Deferred.await(landing), (token) => {",
        to: "return Effect.flatMap(Effect.onInterrupt(Deferred.await(landing), () => Fiber.interrupt(fiber!)), (token) => {"
      }
    ]
  },
  {
    id: "S105",
    title: "starts an acquisition for every caller",
    file: "src/Credentials.ts",
    from: "if (joined !== undefined) {",
    to: "if (joined !== undefined && joined.generation !== generation) {"
  },
  {
    id: "S106",
    title: "keeps a failure after its pause",
    file: "src/Credentials.ts",
    from: "if (left > 0) return failure.isRetryable &&",
    to: "return failure.isRetryable && left > 0 &&"
  },
  {
    id: "S124",
    title: "sleeps in one go until a renewal is due",
    file: "src/Credentials.ts",
    from: "Duration.clamp(rest, { minimum: Duration.millis(10), maximum: Duration.millis(Timing.nap) })",
    to: "Duration.max(rest, Duration.millis(10))"
  },
  {
    id: "S125",
    title: "believes a clock that stops while the machine sleeps",
    file: "src/internal/timing.ts",
    from: "Math.max(now.wall - since.wall, now.mono - since.mono, 0)",
    to: "Math.max(now.mono - since.mono, 0)"
  },
  {
    id: "S127",
    title: "renews a token without any life at once, again and again",
    file: "src/internal/timing.ts",
    from: "Math.min(10_000, lifetime * 0.2) : 10_000",
    to: "Math.min(10_000, lifetime * 0.2) : 0"
  },
  {
    id: "S128",
    title: "ends the schedule at the first failure",
    file: "src/Credentials.ts",
    from: "Effect.map(Effect.exit(Deferred.await(running.landing)), next)",
    to: "Effect.map(Effect.orDie(Deferred.await(running.landing)), next)"
  },
  {
    id: "S145",
    title: "renews without the lock of the store",
    file: "src/internal/textStore.ts",
    from: "lock.withLock(name, lockTimeout)(Effect.either(effect))",
    to: "lock === undefined ? Effect.fail(conflict) : Effect.either(effect)"
  },
  {
    id: "S147",
    title: "gives up after a refusal without a look at what is stored by then",
    file: "src/Provider.ts",
    from: "() => hasChanged && !isSecond,",
    to: "() => hasChanged && isSecond,"
  },
  {
    id: "S148",
    title: "drops the fsync before the rename",
    file: "src/internal/privateFile.ts",
    from: "        yield* file.sync\n",
    to: ""
  },
  {
    id: "S148",
    title: "stores the token after it was handed out",
    file: "src/internal/textStore.ts",
    from: "(after) => failed(store(key, name, before, after)))",
    to: "(after) => Effect.forkDaemon(failed(store(key, name, before, after))))"
  },
  {
    id: "S162",
    title: "writes over the old file",
    file: "src/internal/privateFile.ts",
    from: "const temporary = within(`.${name}.${yield* unusedName}.tmp`)",
    to: "const temporary = where",
    also: [
      {
        file: "src/internal/disk.ts",
        from: `flag("O_WRONLY") | flag("O_CREAT") | flag("O_EXCL")`,
        to: `flag("O_WRONLY") | flag("O_CREAT") | flag("O_TRUNC")`
      }
    ]
  },
  {
    id: "S162",
    title: "never clears up after processes that were killed",
    file: "src/internal/privateFile.ts",
    from: "now - stat.mtime > orphanedAfter",
    to: "now < stat.mtime"
  },
  {
    id: "S164",
    title: "leaves a file behind that could not be written",
    file: "src/internal/privateFile.ts",
    from: "          Effect.tapErrorCause(() => Effect.ignore(disk.unlink(temporary))),\n",
    to: ""
  },
  {
    id: "S164",
    title: "puts a file in place that could not be written",
    file: "src/internal/privateFile.ts",
    from: "write(temporary, bytes, owner).pipe(",
    to: "Effect.ignore(write(temporary, bytes, owner)).pipe("
  },
  {
    id: "S165",
    title: "makes files that others may read at first",
    file: "src/internal/disk.ts",
    from: `ask("open", [path, flags, 0o600], fileOf)`,
    to: `ask("open", [path, flags, 0o644], fileOf)`
  },
  {
    id: "S165",
    title: "makes directories that others may look into",
    file: "src/internal/disk.ts",
    from: `ask("mkdir", [path, { mode: 0o700 }])`,
    to: `ask("mkdir", [path, { mode: 0o755 }])`
  },
  {
    id: "S165",
    title: "leaves a file readable that others could read",
    file: "src/internal/privateFile.ts",
    from: "        yield* file.chmod(0o600)\n      }\n      // One",
    to: "      }\n      // One"
  },
  {
    id: "S165",
    title: "uses a directory that others can write to",
    file: "src/internal/privateFile.ts",
    from: "if ((stat.mode & 0o022) !== 0) {",
    to: "if ((stat.mode & 0o022) < 0) {"
  },
  {
    id: "S167",
    title: "says that it set a corrupt file aside, and writes over it",
    file: "src/internal/textStore.ts",
    from: "Effect.map(texts.setAside(name), (aside)",
    to: `Effect.map(Effect.succeed("a copy"), (aside)`
  },
  {
    id: "S167",
    title: "takes bytes that are no text for one",
    file: "src/internal/privateFile.ts",
    from: `new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })`,
    to: `new TextDecoder("utf-8", { ignoreBOM: true })`
  },
  {
    id: "S169",
    title: "takes the lock from a holder that lives",
    file: "src/internal/processLock.ts",
    from: `if (typeof answer !== "string") return { _tag: "Taken", by: holder, watch: answer } as const`,
    to: ""
  },
  {
    id: "S169",
    title: "does not look whether it slept while it took the lock",
    file: "src/internal/processLock.ts",
    from: "if ((yield* head) >= mine) {",
    to: "if ((yield* head) < 0) {"
  },
  {
    id: "S169",
    title: "holds the lock although others find no trace of the generation before",
    file: "src/internal/processLock.ts",
    from: `if (ended.left !== "ENOENT") return held`,
    to: `if (ended.left !== "") return held`
  },
  {
    id: "S169",
    title: "clears away the dead of whom nothing says that they are over",
    file: "src/internal/processLock.ts",
    from: `if (ended.left !== "ENOENT") return held`,
    to: `if (ended.left !== "ENOENT") {
              yield* Effect.ignore(clear(mine))
              return held
            }`
  },
  {
    id: "S169",
    title: "waits for a holder that is dead",
    file: "src/internal/processLock.ts",
    from: `if (answer === "unclear") return answer`,
    to: `if (answer !== "missing") return "unclear"`
  },
  {
    id: "S189",
    title: "takes a lock in Redis that somebody has",
    file: "src/internal/redis.ts",
    from: "'NX', 'PX', ARGV[2]",
    to: "'PX', ARGV[2]"
  },
  {
    id: "S189",
    title: "deletes a lock in Redis that is somebody else's",
    file: "src/internal/redis.ts",
    from: "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('del', KEYS[1])",
    to: "redis.call('del', KEYS[1])"
  },
  {
    id: "S189",
    title: "writes to Redis after the lock was lost",
    file: "src/internal/redis.ts",
    from: "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'lost' end\nlocal present",
    to: "local present"
  },
  {
    id: "S189",
    title: "writes to Redis over what somebody else wrote",
    file: "src/internal/redis.ts",
    from: "if present ~= ARGV[2] then return 'changed' end\n",
    to: ""
  },
  {
    id: "S189",
    title: "does not renew a lease",
    file: "src/internal/lease.ts",
    from: "const renewing = Effect.sleep(millis / 3).pipe(",
    to: "const renewing = Effect.sleep(millis * 3).pipe("
  },
  {
    id: "S189",
    title: "sends without asking whether the lease is still its own",
    file: "src/internal/lease.ts",
    from: "Spending.onlyIf(effect(owner), mayBeSent)",
    to: "Spending.onlyIf(effect(owner), Effect.as(Effect.ignore(Effect.void), mayBeSent !== undefined))"
  },
  {
    id: "S202",
    title: "listens on all addresses",
    file: "src/internal/loopback.ts",
    from: `host: host === "[::1]" ? "::1" : host, port`,
    to: `host: host === "[::1]" ? "::" : "0.0.0.0", port`
  },
  {
    id: "S203",
    title: "waits for browsers to hang up when a login ends",
    file: "src/internal/loopback.ts",
    from: "            sockets.forEach((socket) => socket.destroy())\n",
    to: "",
    also: [
      {
        file: "src/internal/loopback.ts",
        from: "            socket.destroy()\n            sockets.delete(socket)\n",
        to: "            sockets.delete(socket)\n"
      }
    ]
  },
  {
    id: "S204",
    title: "takes an answer with any state",
    file: "src/protocol/AuthorizationRequest.ts",
    from: " || !Text.isSame(state, Redacted.value(expected.state))) {",
    to: ") {"
  },
  {
    id: "S204",
    title: "takes an answer with several states",
    file: "src/protocol/AuthorizationRequest.ts",
    from: "state === undefined || others.length > 0 ||",
    to: "state === undefined ||"
  },
  {
    id: "S205",
    title: "asks for the method plain",
    file: "src/protocol/AuthorizationRequest.ts",
    from: `["code_challenge_method", "S256"]`,
    to: `["code_challenge_method", "plain"]`
  },
  {
    id: "S205",
    title: "makes verifiers of 22 characters",
    file: "src/internal/pkce.ts",
    from: "new Uint8Array(32)",
    to: "new Uint8Array(16)"
  },
  {
    id: "S205",
    title: "uses the state as the verifier, which the address shows",
    file: "src/providers/AuthorizationCode.ts",
    from: "const verifier = yield* Pkce.secret",
    to: "const verifier = state"
  },
  {
    id: "S205",
    title: "lets the login's parameters replace the challenge",
    file: "src/protocol/Grant.ts",
    from: `"code_challenge",`,
    to: ""
  },
  {
    id: "S206",
    title: "answers whatever name this machine is called by",
    file: "src/internal/redirect.ts",
    from: "if (!names.has(host))",
    to: "if (names.size < 0)"
  },
  {
    id: "S206",
    title: "takes an answer by any method",
    file: "src/internal/redirect.ts",
    from: `if (method !== "GET")`,
    to: `if (method === "")`
  },
  {
    id: "S207",
    title: "puts what the server says into the page as it is",
    file: "src/internal/page.ts",
    from: "<p>${escape(text)}</p>",
    to: "<p>${text}</p>"
  },
  {
    id: "S207",
    title: "lets the page load anything",
    file: "src/internal/page.ts",
    from: "`default-src 'none'; style-src",
    to: "`default-src *; style-src"
  },
  {
    id: "S207",
    title: "lets browsers guess what an answer is",
    file: "src/internal/loopback.ts",
    from: `  "x-content-type-options": "nosniff",\n`,
    to: ""
  },
  {
    id: "S207",
    title: "lets browsers tell others the address of the page",
    file: "src/internal/loopback.ts",
    from: `  "referrer-policy": "no-referrer",\n`,
    to: ""
  },
  {
    id: "S207",
    title: "lets browsers keep the page",
    file: "src/internal/loopback.ts",
    from: `  "cache-control": "no-store",\n`,
    to: ""
  },
  {
    id: "S230",
    title: "polls as fast as before when told to slow down",
    file: "src/protocol/DeviceFlow.ts",
    from: "Duration.sum(self.interval, Duration.seconds(5))",
    to: "Duration.sum(self.interval, Duration.zero)"
  },
  {
    id: "S230",
    title: "polls every second unless told otherwise",
    file: "src/protocol/DeviceFlow.ts",
    from: "const seconds = { interval: 5,",
    to: "const seconds = { interval: 1,"
  },
  {
    id: "S230",
    title: "polls without a pause if the server says 0",
    file: "src/protocol/DeviceFlow.ts",
    from: "Math.max(read, 1)",
    to: "read"
  },
  {
    id: "S244",
    title: "opens the browser through a shell",
    file: "src/internal/browser.ts",
    from: "shell: false,",
    to: "shell: true as boolean as false,"
  },
  {
    id: "S244",
    title: "opens whatever it is given",
    file: "src/internal/browser.ts",
    from: "if (url === undefined || !/^https?:$/.test(url.protocol))",
    to: "if (url === undefined)"
  },
  {
    id: "S259",
    title: "sends secrets over plain http",
    file: "src/internal/url.ts",
    from: `return url.protocol === "https:" || dangerouslyAllowHttp || isLoopback(url.hostname) ? url : undefined`,
    to: "return url"
  },
  {
    id: "S259",
    title: "takes a name that begins like a loopback address for one",
    file: "src/internal/url.ts",
    from: "/^127\\.\\d+\\.\\d+\\.\\d+$/.test(hostname)",
    to: "/^127\\./.test(hostname)"
  },
  {
    id: "S273",
    title: "believes any signature",
    file: "src/internal/jose.ts",
    from: "await compactVerify(jws, set, options)",
    to: "await Promise.resolve(options)"
  },
  {
    id: "S273",
    title: "takes the algorithm that the header names",
    file: "src/protocol/IdTokenClaims.ts",
    from: `const alg = all.find((one) => one === Json.member(header, "alg"))`,
    to: `const alg = Json.member(header, "alg") as Algorithm | undefined`,
    also: [
      {
        file: "src/protocol/IdTokenClaims.ts",
        from: "if (alg === undefined || !algorithms.includes(alg))",
        to: "if (alg === undefined)"
      }
    ]
  },
  {
    id: "S273",
    title: "takes a login's ID token unsigned while the issuer's keys are not to be had",
    file: "src/IdToken.ts",
    from: "isDirect && login !== undefined",
    to: "isDirect"
  },
  {
    id: "S274",
    title: "takes an ID token of any issuer",
    file: "src/protocol/IdTokenClaims.ts",
    from: "if (claims.issuer !== expectations.issuer)",
    to: `if (claims.issuer === "")`
  },
  {
    id: "S274",
    title: "takes an ID token for any client",
    file: "src/protocol/IdTokenClaims.ts",
    from: "if (!claims.audience.includes(expectations.clientId))",
    to: "if (claims.audience.length === 0)"
  },
  {
    id: "S274",
    title: "takes an ID token for several clients that names none",
    file: "src/protocol/IdTokenClaims.ts",
    from: "if (claims.audience.length > 1 && Option.isNone(claims.authorizedParty))",
    to: "if (claims.audience.length < 1 && Option.isNone(claims.authorizedParty))"
  },
  {
    id: "S274",
    title: "takes an ID token that another client asked for",
    file: "src/protocol/IdTokenClaims.ts",
    from: "(party) => party !== expectations.clientId",
    to: `(party) => party === ""`
  },
  {
    id: "S274",
    title: "takes an ID token that has expired",
    file: "src/protocol/IdTokenClaims.ts",
    from: `if (now >= time("exp")! + tolerance)`,
    to: `if (now >= Infinity)`
  },
  {
    id: "S274",
    title: "takes an ID token that lacks claims, such as when it expires",
    file: "src/protocol/IdTokenClaims.ts",
    from: "known().find(([, isRight]) => !isRight(wire))",
    to: "known().find(([claim, isRight]) => wire[claim] !== undefined && !isRight(wire))",
    also: [
      {
        file: "src/protocol/IdTokenClaims.ts",
        from: "Math.floor(seconds * 1000)",
        to: "Math.floor((seconds ?? 0) * 1000)"
      }
    ]
  },
  {
    id: "S274",
    title: "takes an ID token of the future",
    file: "src/protocol/IdTokenClaims.ts",
    from: "(time(claim) ?? 0) > now + tolerance",
    to: "(time(claim) ?? 0) > Infinity"
  },
  {
    id: "S274",
    title: "takes an ID token of another login",
    file: "src/protocol/IdTokenClaims.ts",
    from: "if (expectations.nonce !== undefined && !Text.isSame(",
    to: "if (expectations.nonce === undefined && !Text.isSame(",
    also: [
      {
        file: "src/protocol/IdTokenClaims.ts",
        from: `Redacted.value(expectations.nonce)))`,
        to: `nonce ?? ""))`
      }
    ]
  },
  {
    id: "S274",
    title: "takes an ID token beside another access token",
    file: "src/protocol/IdTokenClaims.ts",
    from: `(wire["at_hash"] ?? accessTokenHash) !== accessTokenHash`,
    to: `wire["at_hash"] === ""`
  },
  {
    id: "S274",
    title: "takes a login of any age",
    file: "src/protocol/IdTokenClaims.ts",
    from: "if (maxAge !== undefined && previous === undefined) {",
    to: "if (maxAge !== undefined && previous === null) {"
  },
  {
    id: "S292",
    title: "sends a request again for as long as it is refused",
    file: "src/AuthenticatedHttpClient.ts",
    from: "attempt.isReplay || !isReplayable(final.body)",
    to: "!isReplayable(final.body)"
  },
  {
    id: "S292",
    title: "sends a body again that is used up",
    file: "src/AuthenticatedHttpClient.ts",
    from: "attempt.isReplay || !isReplayable(final.body)",
    to: "attempt.isReplay"
  },
  {
    id: "S292",
    title: "renews a token that only lacks a scope",
    file: "src/AuthenticatedHttpClient.ts",
    from: `code === "insufficient_scope" ||`,
    to: ""
  },
  {
    id: "S292",
    title: "renews a token that was renewed meanwhile",
    file: "src/Credentials.ts",
    from: "this.again({ validFor: 0, not: seen }, clock)",
    to: "this.obtain({ validFor: 0, not: seen }, clock)"
  }
]
