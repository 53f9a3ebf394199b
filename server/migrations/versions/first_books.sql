-- The schema of the first release, written by `python -m tools.freeze_schema` from server/stores; do not edit.

set local check_function_bodies = off;

CREATE TABLE accounts (
    account_id UUID NOT NULL,
    kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    unit TEXT NOT NULL,
    floor BIGINT,
    balance BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (account_id),
    CONSTRAINT uq_accounts_kind_owner UNIQUE (kind, owner_id),
    CONSTRAINT ck_accounts_floor_kept CHECK (floor is null or balance >= floor),
    CONSTRAINT ck_accounts_unit_known CHECK (unit in ('g', 'fen'))
)
 WITH (fillfactor = 70);

CREATE TABLE address_minutes (
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    address_block BYTEA NOT NULL,
    votes INTEGER NOT NULL,
    CONSTRAINT pk_address_minutes PRIMARY KEY (minute, address_block)
);

CREATE TABLE alarm_thresholds (
    line_id BIGINT GENERATED ALWAYS AS IDENTITY,
    figures JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT pk_alarm_thresholds PRIMARY KEY (line_id)
);

CREATE TABLE alarms (
    alarm_id UUID NOT NULL,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    figures JSONB NOT NULL,
    raised_at TIMESTAMP WITH TIME ZONE NOT NULL,
    heard_at TIMESTAMP WITH TIME ZONE NOT NULL,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    acknowledged_by TEXT,
    cleared_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_alarms PRIMARY KEY (alarm_id)
);

CREATE TABLE audit_lines (
    line_id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    object_id TEXT DEFAULT '' NOT NULL,
    before JSONB,
    after JSONB,
    why TEXT DEFAULT '' NOT NULL,
    request_id TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_audit_lines PRIMARY KEY (line_id)
);

CREATE TABLE awards (
    kind TEXT NOT NULL,
    fact TEXT NOT NULL,
    player_id UUID NOT NULL,
    amount_g INTEGER NOT NULL,
    earned_at TIMESTAMP WITH TIME ZONE NOT NULL,
    transfer_id UUID,
    CONSTRAINT pk_awards PRIMARY KEY (kind, fact),
    CONSTRAINT ck_awards_amount_positive CHECK (amount_g > 0)
);

CREATE TABLE budgets (
    budget_id UUID NOT NULL,
    kind TEXT NOT NULL,
    merchant_id UUID,
    rate_fen INTEGER NOT NULL,
    rate_g INTEGER NOT NULL,
    paid_fen BIGINT DEFAULT '0' NOT NULL,
    bought_g BIGINT DEFAULT '0' NOT NULL,
    returned_g BIGINT DEFAULT '0' NOT NULL,
    charged_g BIGINT DEFAULT '0' NOT NULL,
    purchases INTEGER DEFAULT '0' NOT NULL,
    refunds INTEGER DEFAULT '0' NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    plan_ends_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_budgets PRIMARY KEY (budget_id),
    CONSTRAINT ck_budgets_kind_known CHECK (kind in ('test', 'programme')),
    CONSTRAINT ck_budgets_test_has_merchant CHECK ((kind = 'test') = (merchant_id is not null)),
    CONSTRAINT ck_budgets_rate_positive CHECK (rate_fen >= 0 and rate_g > 0)
);

CREATE TABLE caps (
    scope_id UUID NOT NULL,
    day_g BIGINT,
    total_g BIGINT,
    CONSTRAINT pk_caps PRIMARY KEY (scope_id),
    CONSTRAINT ck_caps_caps_not_negative CHECK (day_g >= 0 and total_g >= 0)
);

CREATE TABLE cases (
    case_id UUID NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_by TEXT NOT NULL,
    reasons TEXT[] DEFAULT '{}' NOT NULL,
    suggestion TEXT NOT NULL,
    evidence JSONB DEFAULT '{}' NOT NULL,
    judged_at TIMESTAMP WITH TIME ZONE,
    judged_by TEXT,
    note TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_cases PRIMARY KEY (case_id),
    CONSTRAINT ck_cases_state_known CHECK (state in ('open', 'lifted', 'upheld')),
    CONSTRAINT ck_cases_judged_has_moment CHECK ((state = 'open') = (judged_at is null))
);

CREATE TABLE claims (
    player_id UUID NOT NULL,
    day DATE NOT NULL,
    amount_g INTEGER NOT NULL,
    streak_days SMALLINT NOT NULL,
    streak_cards SMALLINT NOT NULL,
    streak_weeks INTEGER NOT NULL,
    card_used BOOLEAN NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_claims PRIMARY KEY (player_id, day)
);

CREATE TABLE damage_pictures (
    picture_id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    CONSTRAINT pk_damage_pictures PRIMARY KEY (picture_id)
);

CREATE TABLE demands (
    process_id UUID NOT NULL,
    budget_id UUID NOT NULL,
    unoffered_g BIGINT NOT NULL,
    asked_g_per_minute BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_demands PRIMARY KEY (process_id, budget_id)
);

CREATE TABLE economies (
    economy_id BIGINT GENERATED ALWAYS AS IDENTITY,
    figures JSONB NOT NULL,
    saved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    CONSTRAINT pk_economies PRIMARY KEY (economy_id)
);

CREATE TABLE expiry_notices (
    player_id UUID NOT NULL,
    expires_on DATE NOT NULL,
    days_before SMALLINT NOT NULL,
    amount_g BIGINT NOT NULL,
    sent_on DATE NOT NULL,
    CONSTRAINT pk_expiry_notices PRIMARY KEY (player_id, expires_on, days_before)
);

CREATE TABLE farm_days (
    player_id UUID NOT NULL,
    day DATE NOT NULL,
    applications SMALLINT NOT NULL,
    cap SMALLINT NOT NULL,
    CONSTRAINT pk_farm_days PRIMARY KEY (player_id, day),
    CONSTRAINT ck_farm_days_day_cap_kept CHECK (applications <= cap)
);

CREATE TABLE fulfilment_orders (
    order_id UUID NOT NULL,
    player_id UUID NOT NULL,
    tree_id UUID NOT NULL,
    variety TEXT NOT NULL,
    box_g INTEGER NOT NULL,
    box_cost_fen INTEGER NOT NULL,
    state TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    moved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stock_region TEXT,
    stock_week TEXT,
    carrier TEXT,
    tracking_no TEXT,
    delivered_at TIMESTAMP WITH TIME ZONE,
    times_ordered SMALLINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_fulfilment_orders PRIMARY KEY (order_id),
    CONSTRAINT uq_fulfilment_orders_share UNIQUE (player_id, tree_id),
    CONSTRAINT ck_fulfilment_orders_state_known CHECK (state in ('address_needed', 'pending', 'ordered', 'shipped', 'delivered', 'back_ordered', 'failed', 'cancelled', 'compensated'))
);

CREATE TABLE grants (
    player_id UUID NOT NULL,
    matchup_id UUID NOT NULL,
    test_id UUID NOT NULL,
    block_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    held_until TIMESTAMP WITH TIME ZONE NOT NULL,
    final_at TIMESTAMP WITH TIME ZONE,
    amount_g INTEGER NOT NULL,
    state TEXT DEFAULT 'held' NOT NULL,
    kind TEXT DEFAULT 'per_vote' NOT NULL,
    void_reason TEXT,
    CONSTRAINT pk_grants PRIMARY KEY (player_id, matchup_id),
    CONSTRAINT ck_grants_amount_positive CHECK (amount_g > 0),
    CONSTRAINT ck_grants_state_known CHECK (state in ('held', 'settled', 'voided')),
    CONSTRAINT ck_grants_void_has_reason CHECK ((state = 'voided') = (void_reason is not null)),
    CONSTRAINT ck_grants_end_has_moment CHECK ((state = 'held') = (final_at is null))
);

CREATE TABLE idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BYTEA NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status SMALLINT,
    media TEXT,
    body BYTEA,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (owner, key)
);

CREATE TABLE influence (
    test_id UUID NOT NULL,
    player_id UUID NOT NULL,
    factor REAL NOT NULL,
    CONSTRAINT pk_influence PRIMARY KEY (test_id, player_id),
    CONSTRAINT ck_influence_factor_in_range CHECK (factor >= 0 and factor <= 1)
);

CREATE TABLE invitations (
    invitee_id UUID NOT NULL,
    inviter_id UUID NOT NULL,
    invited_at TIMESTAMP WITH TIME ZONE NOT NULL,
    amount_g INTEGER NOT NULL,
    vetted_votes_wanted INTEGER NOT NULL,
    vests_until TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (invitee_id),
    CONSTRAINT ck_invitations_state_known CHECK (state in ('waiting', 'vested', 'lapsed')),
    CONSTRAINT ck_invitations_not_oneself CHECK (inviter_id <> invitee_id)
);

CREATE TABLE job_runs (
    job TEXT NOT NULL,
    ended_well_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    failure TEXT,
    every_s REAL DEFAULT '0' NOT NULL,
    CONSTRAINT pk_job_runs PRIMARY KEY (job)
);

CREATE TABLE law_checks (
    code TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    holds BOOLEAN NOT NULL,
    sentence TEXT NOT NULL,
    rows INTEGER NOT NULL,
    CONSTRAINT pk_law_checks PRIMARY KEY (code)
);

CREATE TABLE measurements (
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    figures JSONB NOT NULL,
    CONSTRAINT pk_measurements PRIMARY KEY (at)
);

CREATE TABLE merchants (
    merchant_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_merchants PRIMARY KEY (merchant_id)
);

CREATE TABLE money_moves (
    move_id UUID NOT NULL,
    kind TEXT NOT NULL,
    merchant_id UUID,
    test_id UUID,
    to_test_id UUID,
    amount BIGINT NOT NULL,
    moved BIGINT DEFAULT '0' NOT NULL,
    reference TEXT DEFAULT '' NOT NULL,
    why TEXT NOT NULL,
    state TEXT NOT NULL,
    alone BOOLEAN NOT NULL,
    proposed_by UUID,
    proposed_who TEXT NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by UUID,
    decided_who TEXT DEFAULT '' NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    note TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_money_moves PRIMARY KEY (move_id),
    CONSTRAINT ck_money_moves_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_money_moves_state_known CHECK (state in ('waiting', 'done', 'declined')),
    CONSTRAINT ck_money_moves_four_eyes CHECK (state <> 'done' or alone or (proposed_by is not null and decided_by is not null and decided_by <> proposed_by)),
    CONSTRAINT ck_money_moves_decided_has_moment CHECK ((state = 'waiting') = (decided_at is null))
);

CREATE TABLE pictures (
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    warnings TEXT[] NOT NULL,
    kept_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_pictures PRIMARY KEY (key)
);

CREATE TABLE platform_risks (
    player_id UUID NOT NULL,
    platform TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    level TEXT NOT NULL,
    rank SMALLINT,
    reason TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_platform_risks PRIMARY KEY (player_id, platform)
);

CREATE TABLE player_links (
    player_id UUID NOT NULL,
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_player_links PRIMARY KEY (player_id, kind, digest)
);

CREATE TABLE players (
    player_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    nickname TEXT DEFAULT '' NOT NULL,
    gender TEXT,
    birth_year SMALLINT,
    interests TEXT[] DEFAULT '{}' NOT NULL,
    region TEXT,
    consent JSONB DEFAULT '{}' NOT NULL,
    standing TEXT DEFAULT 'trusted' NOT NULL,
    standing_reasons TEXT[] DEFAULT '{}' NOT NULL,
    weight REAL DEFAULT '1' NOT NULL,
    hold_s INTEGER DEFAULT '0' NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_players PRIMARY KEY (player_id),
    CONSTRAINT ck_players_standing_known CHECK (standing in ('trusted', 'watched', 'muted')),
    CONSTRAINT ck_players_weight_in_range CHECK (weight >= 0 and weight <= 1)
);

CREATE TABLE prize_liability (
    variety TEXT NOT NULL,
    trees BIGINT NOT NULL,
    applied_g BIGINT NOT NULL,
    boxes BIGINT NOT NULL,
    liability_fen BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_prize_liability PRIMARY KEY (variety)
);

CREATE TABLE prize_stock (
    variety TEXT NOT NULL,
    region TEXT NOT NULL,
    week TEXT NOT NULL,
    boxes INTEGER NOT NULL,
    taken INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_prize_stock PRIMARY KEY (variety, region, week),
    CONSTRAINT ck_prize_stock_not_more_than_there_is CHECK (taken between 0 and boxes),
    CONSTRAINT ck_prize_stock_week_is_iso CHECK (week ~ '^[0-9]{4}-W[0-9]{2}$')
);

CREATE TABLE programme_days (
    day DATE NOT NULL,
    left_g BIGINT NOT NULL,
    funded_g BIGINT NOT NULL,
    CONSTRAINT pk_programme_days PRIMARY KEY (day),
    CONSTRAINT ck_programme_days_funded_not_negative CHECK (funded_g >= 0)
);

CREATE TABLE reserved_days (
    scope_id UUID NOT NULL,
    day DATE NOT NULL,
    reserved_g BIGINT NOT NULL,
    CONSTRAINT pk_reserved_days PRIMARY KEY (scope_id, day),
    CONSTRAINT ck_reserved_days_reserved_not_negative CHECK (reserved_g >= 0)
);

CREATE TABLE result_checks (
    test_id UUID NOT NULL,
    verdict_no BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    votes INTEGER NOT NULL,
    chosen SMALLINT[] NOT NULL,
    holds BOOLEAN,
    share REAL,
    share_to_flip REAL,
    n_removed INTEGER,
    CONSTRAINT pk_result_checks PRIMARY KEY (test_id, verdict_no)
);

CREATE TABLE result_flags (
    test_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    chosen_before SMALLINT[] NOT NULL,
    chosen_after SMALLINT[] NOT NULL,
    cleared_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_result_flags PRIMARY KEY (test_id)
);

CREATE TABLE seals (
    chain TEXT NOT NULL,
    number BIGINT NOT NULL,
    from_seq BIGINT NOT NULL,
    to_seq BIGINT NOT NULL,
    row_offsets INTEGER[] NOT NULL,
    row_digests BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_seals PRIMARY KEY (chain, number),
    CONSTRAINT ck_seals_chain_known CHECK (chain in ('transfers', 'audit_lines')),
    CONSTRAINT ck_seals_range_not_empty CHECK (from_seq < to_seq)
);

CREATE TABLE segments (
    segment_id UUID NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    predicate JSONB NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_segments PRIMARY KEY (segment_id)
);

CREATE TABLE snapshots (
    test_id UUID NOT NULL,
    version INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    votes INTEGER NOT NULL,
    document JSONB NOT NULL,
    state JSONB NOT NULL,
    CONSTRAINT pk_snapshots PRIMARY KEY (test_id, version)
);

CREATE TABLE style_gates (
    test_id UUID NOT NULL,
    position SMALLINT NOT NULL,
    always INTEGER NOT NULL,
    expected REAL NOT NULL,
    voters INTEGER NOT NULL,
    z REAL NOT NULL,
    CONSTRAINT pk_style_gates PRIMARY KEY (test_id, position)
);

CREATE TABLE style_weights (
    test_id UUID NOT NULL,
    player_id UUID NOT NULL,
    position SMALLINT NOT NULL,
    factor REAL NOT NULL,
    CONSTRAINT pk_style_weights PRIMARY KEY (test_id, player_id, position),
    CONSTRAINT ck_style_weights_factor_in_range CHECK (factor >= 0 and factor <= 1)
);

CREATE TABLE switches (
    switch_id BIGINT GENERATED ALWAYS AS IDENTITY,
    scope TEXT NOT NULL,
    target TEXT DEFAULT '' NOT NULL,
    stops BOOLEAN NOT NULL,
    why TEXT NOT NULL,
    who TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_switches PRIMARY KEY (switch_id),
    CONSTRAINT ck_switches_scope_known CHECK (scope in ('all', 'test', 'kind')),
    CONSTRAINT ck_switches_target_named CHECK ((scope = 'all') = (target = ''))
);

CREATE TABLE transfers (
    transfer_id UUID NOT NULL,
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    debit_account UUID NOT NULL,
    credit_account UUID NOT NULL,
    amount BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    player_id UUID,
    reverses UUID,
    unit TEXT NOT NULL,
    reason TEXT NOT NULL,
    out_biz_no TEXT NOT NULL,
    note JSONB,
    CONSTRAINT pk_transfers PRIMARY KEY (transfer_id),
    CONSTRAINT uq_transfers_business_key UNIQUE (reason, out_biz_no),
    CONSTRAINT ck_transfers_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_transfers_two_accounts CHECK (debit_account <> credit_account),
    CONSTRAINT ck_transfers_unit_known CHECK (unit in ('g', 'fen'))
);

CREATE TABLE trees (
    tree_id UUID NOT NULL,
    planter_id UUID NOT NULL,
    terms JSONB NOT NULL,
    planted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    applied_g BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_trees PRIMARY KEY (tree_id),
    CONSTRAINT ck_trees_applied_not_negative CHECK (applied_g >= 0)
);

CREATE TABLE verdicts (
    verdict_no BIGINT GENERATED ALWAYS AS IDENTITY,
    player_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    standing TEXT NOT NULL,
    reasons TEXT[] DEFAULT '{}' NOT NULL,
    weight REAL NOT NULL,
    p_abusive REAL NOT NULL,
    votes INTEGER NOT NULL,
    evidence JSONB NOT NULL,
    who TEXT NOT NULL,
    case_id UUID,
    CONSTRAINT pk_verdicts PRIMARY KEY (verdict_no),
    CONSTRAINT ck_verdicts_standing_known CHECK (standing in ('trusted', 'watched', 'muted')),
    CONSTRAINT ck_verdicts_weight_in_range CHECK (weight >= 0 and weight <= 1)
);

CREATE TABLE vote_minutes (
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    test_id UUID NOT NULL,
    votes INTEGER NOT NULL,
    valid INTEGER NOT NULL,
    CONSTRAINT pk_vote_minutes PRIMARY KEY (minute, test_id)
);

CREATE TABLE votes (
    player_id UUID NOT NULL,
    matchup_id UUID NOT NULL,
    test_id UUID NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    dealt_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    block_id UUID NOT NULL,
    took_ms INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    probability REAL NOT NULL,
    left_position SMALLINT NOT NULL,
    right_position SMALLINT NOT NULL,
    choice SMALLINT NOT NULL,
    segment SMALLINT NOT NULL,
    offer_g SMALLINT NOT NULL,
    flags SMALLINT NOT NULL,
    device BYTEA NOT NULL,
    why TEXT[],
    CONSTRAINT pk_votes PRIMARY KEY (player_id, matchup_id),
    CONSTRAINT ck_votes_choice_known CHECK (choice between 0 and 2),
    CONSTRAINT ck_votes_two_styles CHECK (left_position <> right_position),
    CONSTRAINT ck_votes_offer_not_negative CHECK (offer_g >= 0)
);

CREATE TABLE alarm_events (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY,
    alarm_id UUID NOT NULL,
    event TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    who TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    figures JSONB NOT NULL,
    CONSTRAINT pk_alarm_events PRIMARY KEY (event_id),
    CONSTRAINT ck_alarm_events_event_known CHECK (event in ('raised', 'acknowledged', 'cleared')),
    CONSTRAINT fk_alarm_events_alarm_id FOREIGN KEY(alarm_id) REFERENCES alarms (alarm_id)
);

CREATE TABLE api_keys (
    key_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    merchant_id UUID,
    name TEXT NOT NULL,
    scopes JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_keys PRIMARY KEY (key_id),
    CONSTRAINT uq_api_keys_digest UNIQUE (digest),
    CONSTRAINT fk_api_keys_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id)
);

CREATE TABLE appeals (
    appeal_id UUID NOT NULL,
    player_id UUID NOT NULL,
    case_id UUID,
    text TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    answer TEXT,
    answered_at TIMESTAMP WITH TIME ZONE,
    answered_by TEXT,
    CONSTRAINT pk_appeals PRIMARY KEY (appeal_id),
    CONSTRAINT ck_appeals_state_known CHECK (state in ('open', 'lifted', 'upheld')),
    CONSTRAINT ck_appeals_answered_has_answer CHECK ((state = 'open') = (answer is null)),
    CONSTRAINT fk_appeals_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE TABLE applications (
    player_id UUID NOT NULL,
    application_id UUID NOT NULL,
    tree_id UUID NOT NULL,
    times SMALLINT NOT NULL,
    amount_g INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_applications PRIMARY KEY (player_id, application_id),
    CONSTRAINT ck_applications_something_applied CHECK (times > 0 and amount_g > 0),
    CONSTRAINT fk_applications_tree_id FOREIGN KEY(tree_id) REFERENCES trees (tree_id)
);

CREATE TABLE case_players (
    case_id UUID NOT NULL,
    player_id UUID NOT NULL,
    CONSTRAINT pk_case_players PRIMARY KEY (case_id, player_id),
    CONSTRAINT fk_case_players_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE TABLE case_reversals (
    transfer_id UUID NOT NULL,
    case_id UUID NOT NULL,
    player_id UUID NOT NULL,
    amount_g INTEGER NOT NULL,
    proposed_by UUID NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    approved_by UUID,
    approved_at TIMESTAMP WITH TIME ZONE,
    reversal_id UUID,
    CONSTRAINT pk_case_reversals PRIMARY KEY (transfer_id),
    CONSTRAINT ck_case_reversals_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT ck_case_reversals_approved_is_done CHECK ((approved_by is null) = (reversal_id is null)),
    CONSTRAINT fk_case_reversals_case_id FOREIGN KEY(case_id) REFERENCES cases (case_id)
);

CREATE TABLE damage_reports (
    report_id UUID NOT NULL,
    order_id UUID NOT NULL,
    player_id UUID NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    text TEXT NOT NULL,
    picture_id UUID NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    answer TEXT,
    answered_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_damage_reports PRIMARY KEY (report_id),
    CONSTRAINT uq_damage_reports_delivery UNIQUE (order_id, delivered_at),
    CONSTRAINT ck_damage_reports_state_known CHECK (state in ('open', 'resent', 'compensated', 'declined')),
    CONSTRAINT fk_damage_reports_order_id FOREIGN KEY(order_id) REFERENCES fulfilment_orders (order_id)
);

CREATE TABLE order_addresses (
    order_id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_order_addresses PRIMARY KEY (order_id),
    CONSTRAINT fk_order_addresses_order_id FOREIGN KEY(order_id) REFERENCES fulfilment_orders (order_id)
);

CREATE TABLE order_moves (
    move_id BIGINT GENERATED ALWAYS AS IDENTITY,
    order_id UUID NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    mover TEXT NOT NULL,
    who TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_order_moves PRIMARY KEY (move_id),
    CONSTRAINT fk_order_moves_order_id FOREIGN KEY(order_id) REFERENCES fulfilment_orders (order_id)
);

CREATE TABLE paces (
    budget_id UUID NOT NULL,
    begins_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    promised_at_start_g BIGINT NOT NULL,
    target_g BIGINT NOT NULL,
    budget_g BIGINT NOT NULL,
    deal_permille INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paces PRIMARY KEY (budget_id),
    CONSTRAINT ck_paces_permille CHECK (deal_permille between 0 and 1000),
    CONSTRAINT fk_paces_budget_id FOREIGN KEY(budget_id) REFERENCES budgets (budget_id)
);

CREATE TABLE platform_identities (
    platform TEXT NOT NULL,
    subject BYTEA NOT NULL,
    sealed_subject BYTEA,
    player_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_platform_identities PRIMARY KEY (platform, subject),
    CONSTRAINT fk_platform_identities_player_id FOREIGN KEY(player_id) REFERENCES players (player_id)
);

CREATE TABLE player_sessions (
    session_id UUID NOT NULL,
    player_id UUID NOT NULL,
    device BYTEA NOT NULL,
    address_block BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_player_sessions PRIMARY KEY (session_id),
    CONSTRAINT fk_player_sessions_player_id FOREIGN KEY(player_id) REFERENCES players (player_id)
);

CREATE TABLE prize_boxes (
    box_id UUID NOT NULL,
    player_id UUID NOT NULL,
    tree_id UUID NOT NULL,
    variety TEXT NOT NULL,
    region TEXT NOT NULL,
    week TEXT NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    given_back_at TIMESTAMP WITH TIME ZONE,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_prize_boxes PRIMARY KEY (box_id),
    CONSTRAINT ck_prize_boxes_one_end CHECK (given_back_at is null or gone_at is null),
    CONSTRAINT fk_prize_boxes_variety_region_week FOREIGN KEY(variety, region, week) REFERENCES prize_stock (variety, region, week)
);

CREATE TABLE reservations (
    block_id UUID NOT NULL,
    budget_id UUID NOT NULL,
    process_id UUID NOT NULL,
    reserved_g BIGINT NOT NULL,
    day DATE NOT NULL,
    reserved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lapses_at TIMESTAMP WITH TIME ZONE NOT NULL,
    releasable_at TIMESTAMP WITH TIME ZONE NOT NULL,
    look_at TIMESTAMP WITH TIME ZONE NOT NULL,
    undealt_g BIGINT,
    releases INTEGER DEFAULT '0' NOT NULL,
    released_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_reservations PRIMARY KEY (block_id),
    CONSTRAINT ck_reservations_reserved_positive CHECK (reserved_g > 0),
    CONSTRAINT ck_reservations_moments_in_order CHECK (reserved_at <= lapses_at and lapses_at <= releasable_at),
    CONSTRAINT fk_reservations_budget_id FOREIGN KEY(budget_id) REFERENCES budgets (budget_id)
);

CREATE TABLE segment_versions (
    segment_id UUID NOT NULL,
    version INTEGER NOT NULL,
    predicate JSONB NOT NULL,
    retires BOOLEAN DEFAULT false NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_segment_versions PRIMARY KEY (segment_id, version),
    CONSTRAINT fk_segment_versions_segment_id FOREIGN KEY(segment_id) REFERENCES segments (segment_id)
);

CREATE TABLE spend_points (
    budget_id UUID NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_g BIGINT NOT NULL,
    promised_g BIGINT NOT NULL,
    CONSTRAINT pk_spend_points PRIMARY KEY (budget_id, hour),
    CONSTRAINT fk_spend_points_budget_id FOREIGN KEY(budget_id) REFERENCES budgets (budget_id)
);

CREATE TABLE staff (
    user_id UUID NOT NULL,
    login TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    roles TEXT[] NOT NULL,
    merchant_id UUID,
    password_is_initial BOOLEAN DEFAULT false NOT NULL,
    sealed_totp BYTEA,
    sealed_totp_offered BYTEA,
    last_totp_step BIGINT DEFAULT '0' NOT NULL,
    failures SMALLINT DEFAULT '0' NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff PRIMARY KEY (user_id),
    CONSTRAINT uq_staff_login UNIQUE (login),
    CONSTRAINT fk_staff_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id)
);

CREATE TABLE staff_links (
    merchant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    added_by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_staff_links PRIMARY KEY (merchant_id, kind, digest),
    CONSTRAINT ck_staff_links_kind_known CHECK (kind in ('device', 'phone', 'payee', 'player')),
    CONSTRAINT fk_staff_links_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id)
);

CREATE TABLE style_tests (
    test_id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    title TEXT NOT NULL,
    title_en TEXT,
    question TEXT NOT NULL,
    question_en TEXT,
    goal JSONB NOT NULL,
    audience JSONB NOT NULL,
    budget_fen BIGINT NOT NULL,
    state TEXT NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    min_days SMALLINT DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    launched_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_style_tests PRIMARY KEY (test_id),
    CONSTRAINT ck_style_tests_state_known CHECK (state in ('draft', 'review', 'running', 'paused', 'decided', 'stopped', 'archived')),
    CONSTRAINT ck_style_tests_budget_not_negative CHECK (budget_fen >= 0),
    CONSTRAINT fk_style_tests_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id)
);

CREATE TABLE tree_members (
    player_id UUID NOT NULL,
    tree_id UUID NOT NULL,
    place SMALLINT NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE NOT NULL,
    harvested_at TIMESTAMP WITH TIME ZONE,
    donated BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_tree_members PRIMARY KEY (player_id, tree_id),
    CONSTRAINT uq_tree_members_place UNIQUE (tree_id, place),
    CONSTRAINT fk_tree_members_tree_id FOREIGN KEY(tree_id) REFERENCES trees (tree_id)
);

CREATE TABLE tree_stages (
    tree_id UUID NOT NULL,
    stage TEXT NOT NULL,
    reached_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_tree_stages PRIMARY KEY (tree_id, stage),
    CONSTRAINT fk_tree_stages_tree_id FOREIGN KEY(tree_id) REFERENCES trees (tree_id)
);

CREATE TABLE webhooks (
    webhook_id UUID NOT NULL,
    merchant_id UUID,
    url TEXT NOT NULL,
    events TEXT[] NOT NULL,
    sealed_secret BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (webhook_id),
    CONSTRAINT fk_webhooks_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id)
);

CREATE TABLE actual_sales (
    test_id UUID NOT NULL,
    style_id UUID NOT NULL,
    units INTEGER NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_actual_sales PRIMARY KEY (test_id, style_id),
    CONSTRAINT ck_actual_sales_units_not_negative CHECK (units >= 0),
    CONSTRAINT fk_actual_sales_test_id FOREIGN KEY(test_id) REFERENCES style_tests (test_id)
);

CREATE TABLE console_sessions (
    digest BYTEA NOT NULL,
    session_id UUID NOT NULL,
    user_id UUID NOT NULL,
    csrf TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    second_factor BOOLEAN NOT NULL,
    agent TEXT DEFAULT '' NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_console_sessions PRIMARY KEY (digest),
    CONSTRAINT uq_console_sessions_session_id UNIQUE (session_id),
    CONSTRAINT fk_console_sessions_user_id FOREIGN KEY(user_id) REFERENCES staff (user_id)
);

CREATE TABLE contents (
    content_id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    test_id UUID,
    style_id UUID,
    title TEXT NOT NULL,
    words TEXT NOT NULL,
    picture TEXT,
    state TEXT NOT NULL,
    labels TEXT[] DEFAULT '{}' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    judged_at TIMESTAMP WITH TIME ZONE,
    judged_by TEXT,
    CONSTRAINT pk_contents PRIMARY KEY (content_id),
    CONSTRAINT uq_contents_merchant_id_digest UNIQUE (merchant_id, digest),
    CONSTRAINT ck_contents_state_known CHECK (state in ('pending', 'review', 'pass', 'risky')),
    CONSTRAINT fk_contents_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchants (merchant_id),
    CONSTRAINT fk_contents_test_id FOREIGN KEY(test_id) REFERENCES style_tests (test_id) ON DELETE SET NULL
);

CREATE TABLE produced_styles (
    test_id UUID NOT NULL,
    style_id UUID NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    awarded_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_produced_styles PRIMARY KEY (test_id, style_id),
    CONSTRAINT fk_produced_styles_test_id FOREIGN KEY(test_id) REFERENCES style_tests (test_id)
);

CREATE TABLE season_plans (
    test_id UUID NOT NULL,
    plan JSONB NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_season_plans PRIMARY KEY (test_id),
    CONSTRAINT fk_season_plans_test_id FOREIGN KEY(test_id) REFERENCES style_tests (test_id) ON DELETE CASCADE
);

CREATE TABLE styles (
    style_id UUID NOT NULL,
    test_id UUID NOT NULL,
    position SMALLINT NOT NULL,
    title TEXT NOT NULL,
    title_en TEXT,
    picture TEXT,
    attributes JSONB DEFAULT '{}' NOT NULL,
    decoy BOOLEAN DEFAULT false NOT NULL,
    reference_sales INTEGER,
    cost_fen INTEGER,
    price_fen INTEGER,
    CONSTRAINT pk_styles PRIMARY KEY (style_id),
    CONSTRAINT uq_styles_test_id_position UNIQUE (test_id, position) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_styles_test_id FOREIGN KEY(test_id) REFERENCES style_tests (test_id) ON DELETE CASCADE
);

CREATE TABLE webhook_deliveries (
    delivery_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    event TEXT NOT NULL,
    body JSONB NOT NULL,
    request_id TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    attempts SMALLINT DEFAULT '0' NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_status SMALLINT,
    last_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (delivery_id),
    CONSTRAINT ck_webhook_deliveries_state_known CHECK (state in ('waiting', 'delivered', 'dead')),
    CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhooks (webhook_id) ON DELETE CASCADE
);

CREATE INDEX ix_alarm_events_alarm_id ON alarm_events (alarm_id);

CREATE INDEX ix_appeals_player_id ON appeals (player_id);

CREATE INDEX ix_appeals_state_at ON appeals (state, at);

CREATE INDEX ix_applications_tree_id ON applications (tree_id);

CREATE INDEX ix_audit_lines_area ON audit_lines (split_part(what, '.', 1), line_id);

CREATE INDEX ix_audit_lines_at ON audit_lines (at, line_id);

CREATE INDEX ix_audit_lines_object_id ON audit_lines (object_id, line_id);

CREATE INDEX ix_audit_lines_request_id ON audit_lines (request_id) WHERE request_id != '';

CREATE INDEX ix_audit_lines_what ON audit_lines (what, line_id);

CREATE INDEX ix_audit_lines_who ON audit_lines (who, line_id);

CREATE INDEX ix_awards_kind_earned_at ON awards (kind, earned_at);

CREATE INDEX ix_awards_owed ON awards (earned_at) WHERE transfer_id IS NULL;

CREATE INDEX ix_awards_player_id ON awards (player_id);

CREATE INDEX ix_budgets_open ON budgets (opened_at, budget_id) WHERE closed_at IS NULL;

CREATE INDEX ix_budgets_opened_at ON budgets (opened_at, budget_id);

CREATE INDEX ix_case_players_player_id ON case_players (player_id);

CREATE INDEX ix_case_reversals_case_id ON case_reversals (case_id);

CREATE INDEX ix_cases_state_opened_at ON cases (state, opened_at);

CREATE INDEX ix_cases_subject ON cases (subject);

CREATE INDEX ix_console_sessions_user_id ON console_sessions (user_id);

CREATE INDEX ix_contents_open ON contents (state, content_id) WHERE state != 'pass';

CREATE INDEX ix_contents_test_id ON contents (test_id);

CREATE INDEX ix_damage_reports_open ON damage_reports (reported_at) WHERE state = 'open';

CREATE INDEX ix_damage_reports_player_id ON damage_reports (player_id);

CREATE INDEX ix_damage_reports_state ON damage_reports (state, report_id);

CREATE INDEX ix_fulfilment_orders_region ON fulfilment_orders (stock_region, order_id);

CREATE INDEX ix_fulfilment_orders_state ON fulfilment_orders (state, order_id);

CREATE INDEX ix_fulfilment_orders_state_variety ON fulfilment_orders (state, variety, order_id);

CREATE INDEX ix_fulfilment_orders_variety ON fulfilment_orders (variety, order_id);

CREATE INDEX ix_grants_held_player ON grants (player_id) WHERE state = 'held';

CREATE INDEX ix_grants_held_until ON grants (held_until) WHERE state = 'held';

CREATE INDEX ix_idempotency_keys_claimed_at ON idempotency_keys (claimed_at);

CREATE INDEX ix_invitations_inviter_id ON invitations (inviter_id);

CREATE INDEX ix_invitations_waiting ON invitations (vests_until) WHERE state = 'waiting';

CREATE INDEX ix_merchants_name ON merchants (name text_pattern_ops, merchant_id);

CREATE INDEX ix_money_moves_merchant_id ON money_moves (merchant_id, move_id);

CREATE INDEX ix_money_moves_state ON money_moves (state, move_id);

CREATE INDEX ix_money_moves_test_id ON money_moves (test_id, move_id);

CREATE INDEX ix_order_moves_order_id ON order_moves (order_id);

CREATE INDEX ix_platform_identities_player_id ON platform_identities (player_id);

CREATE INDEX ix_player_links_digest ON player_links (kind, digest);

CREATE INDEX ix_player_sessions_device ON player_sessions (device);

CREATE INDEX ix_player_sessions_player_id ON player_sessions (player_id);

CREATE INDEX ix_player_sessions_revoked_at ON player_sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE INDEX ix_players_not_trusted ON players (player_id) WHERE standing != 'trusted';

CREATE INDEX ix_prize_boxes_set_aside ON prize_boxes (variety) WHERE given_back_at IS NULL AND gone_at IS NULL;

CREATE INDEX ix_prize_stock_week ON prize_stock (week, variety, region);

CREATE INDEX ix_produced_styles_unawarded ON produced_styles (told_at) WHERE awarded_at IS NULL;

CREATE INDEX ix_reservations_open_budget_id ON reservations (budget_id) WHERE released_at IS NULL;

CREATE INDEX ix_reservations_open_look_at ON reservations (look_at) WHERE released_at IS NULL;

CREATE INDEX ix_staff_links_digest ON staff_links (kind, digest);

CREATE INDEX ix_style_tests_merchant_id_created_at ON style_tests (merchant_id, created_at, test_id);

CREATE INDEX ix_style_tests_open ON style_tests (state) WHERE state IN ('running', 'paused');

CREATE INDEX ix_switches_scope_target ON switches (scope, target, switch_id DESC);

CREATE INDEX ix_transfers_player_id_seq ON transfers (player_id, seq) WHERE player_id IS NOT NULL;

CREATE INDEX ix_transfers_seq ON transfers USING brin (seq) WITH (pages_per_range = 32);

CREATE INDEX ix_verdicts_player_id ON verdicts (player_id, verdict_no);

CREATE INDEX ix_votes_answered_at ON votes USING brin (answered_at) WITH (pages_per_range = 32);

CREATE INDEX ix_votes_test_id_xid ON votes (test_id, xid);

CREATE INDEX ix_webhook_deliveries_dead ON webhook_deliveries (ended_at) WHERE state = 'dead';

CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'waiting';

CREATE INDEX ix_webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id, delivery_id);

CREATE INDEX ix_webhooks_merchant_id ON webhooks (merchant_id);

CREATE UNIQUE INDEX ix_appeals_open_player ON appeals (player_id) WHERE state = 'open';

CREATE UNIQUE INDEX ix_cases_open_subject ON cases (subject) WHERE state = 'open';

CREATE UNIQUE INDEX uq_alarms_open ON alarms (code, subject) WHERE cleared_at IS NULL;

CREATE UNIQUE INDEX uq_money_moves_reference ON money_moves (kind, reference) WHERE reference != '' AND state != 'declined';

CREATE UNIQUE INDEX uq_prize_boxes_set_aside ON prize_boxes (tree_id, player_id) WHERE given_back_at IS NULL AND gone_at IS NULL;

CREATE UNIQUE INDEX uq_segments_name ON segments (name) WHERE retired_at IS NULL;

CREATE UNIQUE INDEX uq_tree_members_one_growing ON tree_members (player_id) WHERE harvested_at IS NULL;

create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;

create or replace function account_id(kind text, owner_id uuid) returns uuid
language sql immutable parallel safe as $$
    select overlay(overlay(encode(substr(sha256(convert_to(kind || ':' || owner_id::text, 'UTF8')), 1, 16), 'hex')
                           placing '8' from 13 for 1) placing '8' from 17 for 1)::uuid
$$;

create or replace function move_balances() returns trigger language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    n_expected bigint;
    n_moved bigint;
begin
    perform 1 from accounts a
    where a.account_id in (select debit_account from posted union select credit_account from posted)
    order by a.account_id
    for no key update;

    with legs as (
        select debit_account as account_id, unit, -amount as delta from posted
        union all
        select credit_account, unit, amount from posted
    ), moves as (
        select account_id, unit, sum(delta)::bigint as delta from legs group by account_id, unit
    ), moved as (
        update accounts a set balance = a.balance + m.delta
        from moves m where a.account_id = m.account_id and a.unit = m.unit
        returning 1
    )
    select (select count(*) from moves), (select count(*) from moved) into n_expected, n_moved;

    if n_moved <> n_expected then
        raise exception 'a transfer names an account that does not exist or counts in another unit'
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end $$;

create or replace function decided_move_stays() returns trigger language plpgsql as $$
begin
    if old.state <> 'waiting' or new.move_id <> old.move_id or new.kind <> old.kind or new.amount <> old.amount
       or new.merchant_id is distinct from old.merchant_id or new.test_id is distinct from old.test_id
       or new.to_test_id is distinct from old.to_test_id or new.reference <> old.reference or new.alone <> old.alone
       or new.proposed_by is distinct from old.proposed_by then
        raise exception 'a move of money is decided once, as it was asked for' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

create or replace trigger alarm_events_append_only before update or delete or truncate on alarm_events
    for each statement execute function refuse_change();

create or replace trigger alarm_thresholds_append_only before update or delete or truncate on alarm_thresholds
    for each statement execute function refuse_change();

create or replace trigger audit_lines_append_only before update or delete or truncate on audit_lines
    for each statement execute function refuse_change();

create or replace trigger switches_append_only before update or delete or truncate on switches
    for each statement execute function refuse_change();

create or replace trigger programme_days_append_only before update or delete or truncate on programme_days
    for each statement execute function refuse_change();

create or replace trigger budgets_stay before delete or truncate on budgets
    for each statement execute function refuse_change();

create or replace trigger reservations_stay before delete or truncate on reservations
    for each statement execute function refuse_change();

create or replace trigger reserved_days_stay before delete or truncate on reserved_days
    for each statement execute function refuse_change();

create or replace trigger budgets_keep before update on budgets
    for each row when (new.budget_id is distinct from old.budget_id or new.kind is distinct from old.kind or new.merchant_id is distinct from old.merchant_id or new.rate_fen is distinct from old.rate_fen or new.rate_g is distinct from old.rate_g or new.opened_at is distinct from old.opened_at or new.paid_fen < old.paid_fen or new.bought_g < old.bought_g or new.returned_g < old.returned_g or new.charged_g < old.charged_g or new.purchases < old.purchases or new.refunds < old.refunds or old.closed_at is not null and new.closed_at is distinct from old.closed_at) execute function refuse_change();

create or replace trigger reservations_keep before update on reservations
    for each row when (new.block_id is distinct from old.block_id or new.budget_id is distinct from old.budget_id or new.process_id is distinct from old.process_id or new.reserved_g is distinct from old.reserved_g or new.day is distinct from old.day or new.reserved_at is distinct from old.reserved_at or new.lapses_at is distinct from old.lapses_at or new.releasable_at is distinct from old.releasable_at or new.releases < old.releases or old.undealt_g is not null and new.undealt_g is distinct from old.undealt_g) execute function refuse_change();

create or replace trigger applications_append_only before update or delete or truncate on applications
    for each statement execute function refuse_change();

create or replace trigger tree_stages_append_only before update or delete or truncate on tree_stages
    for each statement execute function refuse_change();

create or replace trigger claims_append_only before update or delete or truncate on claims
    for each statement execute function refuse_change();

create or replace trigger expiry_notices_append_only before update or delete or truncate on expiry_notices
    for each statement execute function refuse_change();

create or replace trigger economies_append_only before update or delete or truncate on economies
    for each statement execute function refuse_change();

create or replace trigger tree_members_stay before delete or truncate on tree_members
    for each statement execute function refuse_change();

create or replace trigger farm_days_stay before delete or truncate on farm_days
    for each statement execute function refuse_change();

create or replace trigger invitations_stay before delete or truncate on invitations
    for each statement execute function refuse_change();

create or replace trigger tree_members_keep before update on tree_members
    for each row when (new.player_id is distinct from old.player_id or new.tree_id is distinct from old.tree_id or new.place is distinct from old.place or new.joined_at is distinct from old.joined_at or old.harvested_at is not null) execute function refuse_change();

create or replace trigger farm_days_keep before update on farm_days
    for each row when (new.player_id is distinct from old.player_id or new.day is distinct from old.day or new.applications < old.applications or new.cap < old.cap) execute function refuse_change();

create or replace trigger invitations_keep before update on invitations
    for each row when (new.invitee_id is distinct from old.invitee_id or new.inviter_id is distinct from old.inviter_id or new.invited_at is distinct from old.invited_at or new.amount_g is distinct from old.amount_g or new.vetted_votes_wanted is distinct from old.vetted_votes_wanted or new.vests_until is distinct from old.vests_until or old.state <> 'waiting') execute function refuse_change();

create or replace trigger trees_keep_their_terms before update on trees
    for each row when (
        new.applied_g < old.applied_g or new.terms <> old.terms or new.planter_id <> old.planter_id
        or new.planted_at <> old.planted_at or new.tree_id <> old.tree_id
    ) execute function refuse_change();

create or replace trigger trees_stay before delete or truncate on trees
    for each statement execute function refuse_change();

create or replace trigger awards_paid_once before update on awards
    for each row when (
        old.transfer_id is not null or new.kind <> old.kind or new.fact <> old.fact
        or new.player_id <> old.player_id or new.amount_g <> old.amount_g
    ) execute function refuse_change();

create or replace trigger awards_stay before delete or truncate on awards
    for each statement execute function refuse_change();

create or replace trigger grants_end_once before update on grants
    for each row when (
        old.state <> 'held' or new.player_id <> old.player_id or new.matchup_id <> old.matchup_id
        or new.test_id <> old.test_id or new.block_id <> old.block_id or new.amount_g <> old.amount_g
        or new.kind <> old.kind or new.created_at <> old.created_at
    ) execute function refuse_change();

create or replace trigger grants_stay before delete or truncate on grants
    for each statement execute function refuse_change();

create or replace trigger transfers_move_balances after insert on transfers
    referencing new table as posted for each statement execute function move_balances();

create or replace trigger transfers_append_only before update or delete or truncate on transfers
    for each statement execute function refuse_change();

create or replace trigger accounts_moved_by_transfers_only before update on accounts
    for each statement when (pg_trigger_depth() = 0) execute function refuse_change();

create or replace trigger accounts_open_empty before insert on accounts
    for each row when (new.balance <> 0) execute function refuse_change();

create or replace trigger accounts_never_close before delete or truncate on accounts
    for each statement execute function refuse_change();

create or replace trigger money_moves_decided_once before update on money_moves
    for each row execute function decided_move_stays();

create or replace trigger money_moves_stay before delete or truncate on money_moves
    for each statement execute function refuse_change();

create or replace trigger order_moves_append_only before update or delete or truncate on order_moves
    for each statement execute function refuse_change();

create or replace trigger fulfilment_orders_stay before delete or truncate on fulfilment_orders
    for each statement execute function refuse_change();

create or replace trigger prize_stock_stay before delete or truncate on prize_stock
    for each statement execute function refuse_change();

create or replace trigger prize_boxes_stay before delete or truncate on prize_boxes
    for each statement execute function refuse_change();

create or replace trigger damage_reports_stay before delete or truncate on damage_reports
    for each statement execute function refuse_change();

create or replace trigger fulfilment_orders_keep before update on fulfilment_orders
    for each row when (new.order_id is distinct from old.order_id or new.player_id is distinct from old.player_id or new.tree_id is distinct from old.tree_id or new.box_g is distinct from old.box_g or new.made_at is distinct from old.made_at or new.times_ordered < old.times_ordered) execute function refuse_change();

create or replace trigger prize_boxes_keep before update on prize_boxes
    for each row when (new.box_id is distinct from old.box_id or new.player_id is distinct from old.player_id or new.tree_id is distinct from old.tree_id or new.variety is distinct from old.variety or new.region is distinct from old.region or new.week is distinct from old.week or new.taken_at is distinct from old.taken_at or old.given_back_at is not null or old.gone_at is not null) execute function refuse_change();

create or replace trigger damage_reports_keep before update on damage_reports
    for each row when (new.report_id is distinct from old.report_id or new.order_id is distinct from old.order_id or new.player_id is distinct from old.player_id or new.delivered_at is distinct from old.delivered_at or new.picture_id is distinct from old.picture_id or new.reported_at is distinct from old.reported_at or old.state <> 'open' and (new.state, new.answer) is distinct from (old.state, old.answer) or new.text <> old.text and new.text <> '') execute function refuse_change();

create or replace trigger seals_append_only before update or delete or truncate on seals
    for each statement execute function refuse_change();

create or replace trigger segment_versions_append_only before update or delete or truncate on segment_versions
    for each statement execute function refuse_change();

create or replace trigger segments_stay before delete or truncate on segments
    for each statement execute function refuse_change();

create or replace trigger verdicts_append_only before update or delete or truncate on verdicts
    for each statement execute function refuse_change();

create or replace trigger votes_append_only before update or delete or truncate on votes
    for each statement execute function refuse_change();
