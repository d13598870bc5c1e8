/** Bitfount's login, hub and access manager. Its people and their ID tokens are signed for the host that was asked. */
import { generateKeyPairSync, sign } from "node:crypto"
import type { Answer, Seen } from "../standIn.ts"

/** What the stand-in does, where it does something odd. */
export interface Told {
  /** Access tokens that were issued before. */
  readonly accepts?: ReadonlyArray<string>
  /** Who logs in. Default: `ada`. */
  readonly username?: string
  /** How each poll is answered before the token: an OAuth error, or a status with a page. Default: not at all. */
  readonly polls?: ReadonlyArray<string | number>
  /** Members that answers with tokens do not have. */
  readonly omits?: ReadonlyArray<string>
  /** Members that the answer to a device's request does not have. */
  readonly omitsOfDevice?: ReadonlyArray<string>
  /** ID tokens are signed with a key that is not published. */
  readonly forges?: boolean
  readonly expiresIn?: number
  readonly interval?: number
  /** The status that every refresh is answered with. */
  readonly refuses?: number
}

const claim = "https://www.bitfount.com/username"

const makePair = () => generateKeyPairSync("rsa", { modulusLength: 2048 })
let pairs: { readonly own: ReturnType<typeof makePair>; readonly other: ReturnType<typeof makePair> } | undefined

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A token as nobody signed it: for the files of a test. */
export const unsigned = (claims: object): string => `${base64url({ alg: "none" })}.${base64url(claims)}.x`

/** The servers. */
export const bitfount = (told: Told = {}): ((request: Seen) => Answer) => {
  let issued = 0
  const polls = [...(told.polls ?? [])]
  const accepted = new Set(told.accepts)
  const without = (members: object, omitted: ReadonlyArray<string> = []): Answer => ({
    json: Object.fromEntries(Object.entries(members).filter(([member]) => !omitted.includes(member)))
  })
  const keys = () => (pairs ??= { own: makePair(), other: makePair() })
  const idToken = (origin: string, clientId: string) => {
    const now = Math.floor(Date.now() / 1000)
    const username = told.username ?? "ada"
    const claims = { iss: `${origin}/`, sub: `auth0|${username}`, aud: clientId, iat: now, exp: now + 2_592_000 }
    const signed = `${base64url({ alg: "RS256", kid: "1" })}.${base64url({ ...claims, [claim]: username })}`
    const { privateKey } = told.forges ? keys().other : keys().own
    return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`
  }
  const tokens = (origin: string, clientId: string): Answer => {
    const n = ++issued
    accepted.add(`a${n}`)
    return without(
      {
        access_token: `a${n}`,
        refresh_token: `r${n}`,
        id_token: idToken(origin, clientId),
        token_type: "Bearer",
        expires_in: told.expiresIn ?? 86_400,
        scope: "openid profile offline_access"
      },
      told.omits
    )
  }
  return ({ form = {}, headers, origin, path }) => {
    switch (path) {
      case "/.well-known/jwks.json":
        return { json: { keys: [{ ...keys().own.publicKey.export({ format: "jwk" }), kid: "1", use: "sig" }] } }
      case "/oauth/device/code":
        return without(
          {
            device_code: "d3vice",
            user_code: "WDJB-MJHT",
            verification_uri: `${origin}/activate`,
            verification_uri_complete: `${origin}/activate?user_code=WDJB-MJHT`,
            expires_in: 900,
            interval: told.interval ?? 5
          },
          told.omitsOfDevice
        )
      case "/oauth/token": {
        if (form["grant_type"] === "refresh_token") {
          return told.refuses !== undefined
            ? {
                status: told.refuses,
                json: { error: "invalid_grant", error_description: "Unknown or invalid refresh token." }
              }
            : tokens(origin, form["client_id"]!)
        }
        const next = polls.shift()
        if (typeof next === "number") return { status: next, body: "<html>Bad Gateway</html>" }
        return next === undefined
          ? tokens(origin, form["client_id"]!)
          : { status: next === "slow_down" ? 429 : 403, json: { error: next, error_description: "…" } }
      }
    }
    const isKey = headers["x-api-key"] !== undefined && headers["authorization"] === undefined
    return isKey || accepted.has(headers["authorization"]?.replace("Bearer ", "") ?? "")
      ? { json: { username: told.username ?? "ada" } }
      : { status: 401, json: { message: "Invalid access token" } }
  }
}
