"""The closed value lists of the intake form as types (clinical-vocabulary sections 1, 7 and 9).

The vocabulary files hold the same ids with their labels; a test keeps the two equal. Ids are never translated
and never re-used.
"""

from __future__ import annotations

from typing import Literal

Shot = Literal["overview", "regional", "close_up", "tongue", "nail", "follow_up_match"]
ViewQuality = Literal["accepted", "accepted_with_warning", "refused"]
Laterality = Literal["left", "right", "midline", "both", "not_applicable"]
BodySite = Literal[
    "scalp", "face", "ear", "lips_mouth", "eye_area", "neck", "chest", "abdomen", "back", "sacrum_lumbar",
    "axilla", "groin", "genital", "perianal", "buttock", "upper_arm", "elbow", "forearm", "hand_back", "palm",
    "fingernail", "thigh", "knee", "lower_leg", "foot_top", "sole", "toenail", "other",
]  # fmt: skip
# Sites whose pictures a minor never gives (policy R4).
INTIMATE_SITES = frozenset({"chest", "groin", "genital", "perianal", "buttock"})

Examined = Literal["yes", "no", "not_examined"]
Known = Literal["yes", "no", "unknown"]
Sex = Literal["female", "male", "intersex", "not_stated"]
Pregnancy = Literal["no", "possible", "yes", "unknown", "not_applicable"]
Duration = Literal[
    "one_day", "less_than_one_week", "one_to_four_weeks", "one_to_three_months", "three_to_twelve_months",
    "more_than_one_year", "more_than_five_years", "since_birth", "since_childhood", "unknown",
]  # fmt: skip
Course = Literal["first_episode", "relapsing", "persistent", "worsening", "improving"]
Symptom = Literal["itching", "burning", "pain", "bleeding", "increasing_size", "darkening", "none"]
Avpu = Literal["A", "V", "P", "U"]
Tier = Literal["T1_emergency", "T2_same_day", "T3_urgent", "T4_routine", "T5_local"]

# Section 7.7; those from wheals on are not in that list but are inputs of rules in section 8 (the file names which).
DangerSign = Literal[
    "stridor_or_hoarse", "breathing_difficulty", "lip_tongue_face_swelling", "collapse_or_faint",
    "drowsy_or_confused", "stiff_neck", "fever_now_or_history", "skin_pain_severe", "pain_out_of_proportion",
    "blisters_or_peeling", "mouth_eye_genital_sores", "red_skin_over_90_percent", "widespread_pustules",
    "does_not_blanch", "dusky_or_black_skin", "crackling_under_skin", "spreading_within_hours",
    "hot_swollen_painful_area", "clustered_punched_out_sores", "eye_painful_red_or_vision",
    "nose_tip_or_eye_vesicles", "facial_oedema", "swollen_glands", "jaundice", "numb_patch",
    "new_hand_foot_eye_weakness", "painful_nerve", "ulcer_over_4_weeks", "fast_growing_lump", "mole_size_change",
    "mole_shape_irregular", "mole_colour_irregular", "mole_7mm_or_more", "mole_inflamed", "mole_oozing",
    "mole_sensation_change", "hot_joint_with_fever", "animal_or_snake_bite", "unexplained_injury_pattern",
    "disclosure_of_abuse", "wheals", "new_pigmented_nail_line", "widespread_rash", "face_affected", "pustules",
    "bruising", "generalised_itch_third_trimester", "cough_or_red_eyes", "deep_pustules",
    "crusted_nonhealing_lesion", "painless_wound_hand_foot", "genital_lesion",
]  # fmt: skip

TcmExaminer = Literal["tcm_practitioner", "trained_worker", "not_examined"]
TongueColour = Literal["pale_red", "pale", "red", "crimson", "purple", "not_examined"]
TongueFeature = Literal["none", "ecchymosis", "teeth_marked", "enlarged", "thin", "fissured", "prickly"]
CoatingColour = Literal["white", "yellow", "grey_black", "none_or_peeled", "not_examined"]
CoatingTexture = Literal["thin", "thick", "slimy", "dry", "moist", "curdy"]
SublingualVeins = Literal["normal", "distended_tortuous", "not_examined"]
Pulse = Literal[
    "string_like", "slippery", "rapid", "thready", "deep", "rough", "moderate", "floating", "slow", "weak",
    "soggy", "surging", "not_examined",
]  # fmt: skip
GeneralSign = Literal[
    "thirst", "dry_throat", "sore_throat", "irritable", "constipation", "loose_stool", "dark_urine",
    "heat_aversion", "cold_aversion", "poor_sleep", "fatigue", "poor_appetite", "menstrual_irregular",
]  # fmt: skip

# Sections 7.2 to 7.5. A list that can say "none" or "unknown" says it as one of its ids.
Season = Literal["winter_worse", "summer_worse", "none", "unknown"]
Trigger = Literal[
    "sore_throat_or_infection", "new_drug", "steroid_stopped", "skin_injury", "stress", "alcohol", "smoking", "sun",
    "pregnancy_or_birth", "unknown",
]  # fmt: skip
DrugClass = Literal[
    "antiepileptic", "sulfonamide", "allopurinol", "antibiotic_other", "nsaid", "antiretroviral", "tb_drug",
    "beta_blocker", "lithium", "antimalarial", "ace_inhibitor", "biologic", "herbal_or_unlabelled",
    "unlabelled_cream_or_injection", "other",
]  # fmt: skip
Allergy = Literal[DrugClass, "none", "unknown"]
# Those from chemotherapy on are not in section 7.3 but are inputs of RF-15 and of the herb check (5.4).
Treatment = Literal[
    "emollient", "steroid_topical_mild", "steroid_topical_potent", "vitamin_d_topical", "coal_tar", "salicylic_acid",
    "calcineurin_inhibitor", "phototherapy", "methotrexate", "ciclosporin", "acitretin", "biologic",
    "systemic_steroid", "tcm_oral", "tcm_topical", "none", "unknown", "chemotherapy", "anticoagulant",
    "antiplatelet", "tb_drug",
]  # fmt: skip
Response = Literal["cleared", "better", "same", "worse", "stopped_side_effect"]
# The last two are not in section 7.3 but are inputs of the herb check (5.4).
Comorbidity = Literal[
    "hypertension", "diabetes", "obesity", "dyslipidaemia", "heart_disease", "liver_disease", "kidney_disease",
    "tuberculosis", "hepatitis_b_or_c", "hiv", "cancer", "inflammatory_bowel_disease", "uveitis",
    "depression_or_anxiety", "immunosuppressed", "none", "unknown", "transplant", "raised_liver_tests",
]  # fmt: skip
FamilyHistory = Literal["psoriasis", "arthritis", "atopy", "melanoma", "none", "unknown"]
Smoking = Literal["never", "former", "current"]
Alcohol = Literal["none", "some", "daily", "unknown"]
PestItem = Literal[
    "pest_swollen_joint", "pest_told_arthritis", "pest_nail_pits", "pest_heel_pain", "pest_swollen_digit"
]  # fmt: skip
WorkerSign = Literal[
    "auspitz_sign", "film_sign", "koebner", "warmth", "tenderness", "blanching", "sensation_reduced"
]  # fmt: skip
AffectedRegion = Literal["head", "upper", "trunk", "lower"]
# The decision reasons of section 11 without "agree": who agrees enters no other tier.
OwnTierReason = Literal[
    "wrong_site", "wrong_lesion", "wrong_colour", "wrong_condition", "wrong_syndrome", "wrong_severity",
    "unsafe_plan", "missed_red_flag", "unreadable", "not_applicable_here", "other_local_text",
]  # fmt: skip
