// The messages of proto/operator.proto as JSON. 64-bit numbers come as text;
// what is optional may be absent.

export type Num = number | string;

export interface TokenTime {
  tokens: Num;
  ms_per_token?: number;  // of a fleet, not of a device
  compute_ms: number;
  disk_ms: number;
  wire_ms: number;
  wait_ms: number;
}

export interface Health {
  load?: number;
  core_count: number;
  clock_mhz?: number;
  clock_max_mhz?: number;
  temperature_c?: number;
  battery_percent?: number;
  battery_discharging?: boolean;
}

export interface DeviceStatus {
  profile?: {name: string; threads: number; isa: string};
  is_coordinator: boolean;
  rank?: number;
  silent_ms: number;
  program_version: string;
  unit_count: number;
  share_bytes: Num;
  is_drained: boolean;
}

export interface Device {
  status?: DeviceStatus;
  state: string;
  load_bytes_done: Num;
  load_bytes_total: Num;
  load_what: string;
  has_report: boolean;
  budget_bytes: Num;
  rss_bytes: Num;
  peak_rss_bytes: Num;
  share_bytes: Num;
  resident_bytes: Num;
  streamed_bytes: Num;
  read_rate: number;
  token_now?: TokenTime;
  token_total?: TokenTime;
  sent_rate: number;
  received_rate: number;
  round_trip_ms?: number;
  health?: Health;
  isa: string;
  io_engine: string;
  threads: number;
}

export interface PlanCell {
  stage: number;
  rank: number;
  unit_count: number;
  bytes: Num;
  share: number;
  is_hub: boolean;
  is_slowest: boolean;
}

export interface Plan {
  epoch: Num;
  device_names: string[];
  stages: {hub: number; layer_begin: number; layer_end: number}[];
}

export interface Requests {
  running_count: number;
  queued_count: number;
  finished_count: Num;
  refused_count: Num;
  tokens_per_second_now: number;
  tokens_per_second_average: number;
  time_to_first_token_ms?: number;
}

export interface Snapshot {
  time_unix_ms: Num;
  uptime_ms: Num;
  status?: {
    coordinator_name: string;
    program_version: string;
    model_name: string;
    failure: string;
    ready: boolean;
  };
  plan?: Plan;
  cells: PlanCell[];
  requests?: Requests;
  token_now?: TokenTime;
  token_total?: TokenTime;
  predicted_ms_per_token?: number;
  best_single_device?: string;
  best_single_ms_per_token?: number;
  devices: Device[];
  ending: boolean;
}

export interface FleetEvent {
  number: Num;
  time_unix_ms: Num;
  severity: string;
  device: string;
  text: string;
  command: string;
}

export interface Update {
  first: boolean;
  snapshot: Snapshot;
  events: FleetEvent[];
}

export interface Link {
  state: 'connecting' | 'live' | 'lost' | 'offline' | 'key';
  message: string;
}
