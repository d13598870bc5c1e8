/**
 * Which URLs a secret may be sent to.
 *
 * @module
 */

/** What {@link endpoint} accepts, for error messages. */
export const expected = "an absolute https URL (http only on localhost) without user name, password, fragment or spaces"

/** What {@link endpoint} accepts where plain http is allowed. */
export const expectedWithHttp = "an absolute http or https URL without user name, password, fragment or spaces"

/**
 * The URL of an endpoint, or undefined if nothing secret may go there. Checked before it is parsed: the parser
 * silently drops line breaks and tabs.
 */
export const endpoint = (text: string, dangerouslyAllowHttp = false): URL | undefined => {
  if (typeof text !== "string") return undefined
  if (/[\s\p{Cc}\p{Cf}\p{Cs}\\]/u.test(text) || text.includes("#") || !/^https?:\/\/[^/]/i.test(text)) return undefined
  try {
    const url = new URL(text)
    if (url.username !== "" || url.password !== "" || /^[^/]*\/\/[^/?]*@/.test(text)) return undefined
    return url.protocol === "https:" || dangerouslyAllowHttp || isLoopback(url.hostname) ? url : undefined
  } catch {
    return undefined
  }
}

/** A text as one segment of a path. No segment can be `.` or `..`, however they are written: those become one that no server knows. */
export const segment = (text: string): string =>
  /^\.{1,2}$/.test(text) ? text.replaceAll(".", "%252E") : encodeURIComponent(text)

/** Whether a parsed host name is this machine, literally: no name that only resolves to it. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname)

/** Whether a parsed host name is this machine, or an address that only means something inside somebody's network. */
export const isLocal = (hostname: string): boolean =>
  isLoopback(hostname) ||
  /^(0|10|169\.254|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.[\d.]+$/.test(hostname) ||
  /^\[(::|f[cd]|fe[89ab])/.test(hostname) ||
  /(\.|^)(internal|localhost)\.?$/.test(hostname)
