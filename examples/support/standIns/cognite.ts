/** Entra ID and an issuer of another make, in front of Cognite's API. The client is `app`, its secret `s3 cret`. */
import type { Answer, Seen } from "../standIn.ts"

/** What the stand-in does, where it does something odd. */
export interface Told {
  readonly accepts?: ReadonlyArray<string>
  readonly refreshable?: ReadonlyArray<string>
  /** Null: the answer has none. */
  readonly expiresIn?: string | number | null
  readonly keepsRefreshToken?: boolean
  readonly down?: boolean
  readonly noDevice?: boolean
  readonly interval?: number
  /** What each poll of a device is answered, before the token. */
  readonly polls?: ReadonlyArray<string>
}

const refused = (error: string, error_description: string): Answer => ({
  status: error === "invalid_client" ? 401 : 400,
  // Entra ID says more than RFC 6749 does, over several lines.
  json: { error, error_description, error_codes: [7000215], timestamp: "2026-01-01 00:00:00Z", trace_id: "1" }
})

/** The servers. */
export const cognite = (told: Told = {}): ((request: Seen) => Answer) => {
  let issued = 0
  const polls = [...(told.polls ?? ["authorization_pending"])]
  const accepted = new Set(told.accepts)
  const refreshable = new Set(told.refreshable)
  const token = (isPersonal: boolean, sendsRefreshToken = true): Answer => {
    const n = ++issued
    accepted.add(`a${n}`)
    refreshable.add(`r${n}`)
    const { expiresIn = 3599 } = told
    return {
      json: {
        token_type: "Bearer",
        ...(expiresIn === null ? {} : { expires_in: expiresIn, ext_expires_in: expiresIn }),
        access_token: `a${n}`,
        ...(isPersonal && sendsRefreshToken ? { refresh_token: `r${n}` } : {})
      }
    }
  }
  const tokenEndpoint = (form: Readonly<Record<string, string>>, headers: Seen["headers"]): Answer => {
    if (told.down) return { status: 503, body: "maintenance" }
    switch (form["grant_type"]) {
      case "client_credentials": {
        const secret = form["client_secret"] ?? (headers["authorization"] === "Basic YXBwOnMzIGNyZXQ=" ? "s3 cret" : "")
        return secret === "s3 cret" || form["client_assertion"] !== undefined
          ? token(false)
          : refused("invalid_client", "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1")
      }
      case "authorization_code":
        return form["code"] === "c0de" ? token(true) : refused("invalid_grant", "AADSTS70008: The code has expired.")
      case "refresh_token":
        return refreshable.has(form["refresh_token"]!)
          ? token(true, told.keepsRefreshToken !== true)
          : refused("invalid_grant", "AADSTS700082: The refresh token has expired.")
      case "urn:ietf:params:oauth:grant-type:device_code": {
        const next = polls.shift()
        return next === undefined ? token(true) : refused(next, `AADSTS70016: ${next}`)
      }
      default:
        return refused("unsupported_grant_type", "AADSTS70003: unsupported")
    }
  }
  const device: Answer = {
    json: {
      user_code: "ABCD1234",
      device_code: "d3vice",
      verification_uri: "https://microsoft.com/devicelogin",
      expires_in: 900,
      interval: told.interval ?? 5,
      message: "To sign in, use a web browser to open the page https://microsoft.com/devicelogin"
    }
  }
  return ({ form = {}, headers, origin, path }) => {
    if (path.endsWith("/oauth2/v2.0/token") || path === "/token") return tokenEndpoint(form, headers)
    if (path.endsWith("/oauth2/v2.0/devicecode") || path === "/device") return device
    if (path === "/.well-known/openid-configuration") {
      return {
        json: {
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          ...(told.noDevice ? {} : { device_authorization_endpoint: `${origin}/device` })
        }
      }
    }
    return accepted.has(headers["authorization"]?.replace("Bearer ", "") ?? "")
      ? { json: { items: [] } }
      : { status: 401, json: { error: { code: 401, message: "Unauthorized" } } }
  }
}
