"""What two texts have in common, in whatever letters they are written."""

from __future__ import annotations

import pytest

from detectors.alike import USUAL_LIKENESS
from engine.core.sketch import likeness, sketch_of, words_of

# The parcel has not come; the same in other words; the bill is wrong.
TEXTS = {
    "English": ("My parcel has not arrived", "parcel still not arriving", "wrong amount on the invoice"),
    "Hindi": ("मेरा पार्सल अभी तक नहीं मिला है", "पार्सल नहीं मिला, कब मिलेगा", "बिल में गलत राशि दिख रही है"),
    "Tamil": ("எனது பார்சல் இன்னும் வரவில்லை", "பார்சல் வரவில்லை", "விலைப்பட்டியல் தவறு"),
    "Arabic": ("لم يصل الطرد الخاص بي بعد", "الطرد لم يصل حتى الآن", "الفاتورة خاطئة"),
    "Thai": ("พัสดุของฉันยังไม่มาถึง", "พัสดุยังไม่มาถึงเลย", "ใบแจ้งหนี้ผิด"),
    "Chinese": ("我的包裹还没有到", "包裹到现在还没有到", "发票金额不对"),
    "Japanese": ("荷物がまだ届きません", "まだ荷物が届いていません", "請求書が間違っています"),
    "Korean": ("소포가 아직 도착하지 않았어요", "아직 소포가 안 왔어요", "청구서가 잘못되었어요"),
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_the_same_in_other_words_is_alike_and_another_thing_is_not(texts: tuple[str, str, str]) -> None:
    one, again, other = (sketch_of([text]) for text in texts)
    assert likeness(one, again) >= USUAL_LIKENESS
    assert likeness(one, other) < USUAL_LIKENESS


def test_signs_on_letters_do_not_end_a_word() -> None:
    assert list(words_of("पार्सल")) == ["परसल"]
    assert list(words_of("Ru\u0308ckgabe")) == list(words_of("Rückgabe")) == ["rückgabe"]
